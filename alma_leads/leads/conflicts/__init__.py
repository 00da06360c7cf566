"""Conflict checks: people with similar names."""

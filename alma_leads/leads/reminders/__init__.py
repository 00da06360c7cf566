"""Reminders of leads that are due, and the daily digest."""

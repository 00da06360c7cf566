"""Signing in, forgotten passwords, and throttling."""

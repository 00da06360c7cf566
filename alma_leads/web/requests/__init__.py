"""Requests: their bodies, the client's address, the line in the log."""

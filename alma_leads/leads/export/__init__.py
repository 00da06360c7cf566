"""Exports of lists."""

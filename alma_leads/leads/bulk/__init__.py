"""Actions on many leads at once."""

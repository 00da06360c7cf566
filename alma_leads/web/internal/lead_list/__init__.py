"""The list of leads, its views, and what is done to many at once."""

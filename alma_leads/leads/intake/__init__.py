"""Taking in a submission."""

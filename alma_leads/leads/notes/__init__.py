"""Notes on a lead."""

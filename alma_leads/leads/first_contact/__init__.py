"""The first-response target, in working time."""

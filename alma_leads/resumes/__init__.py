"""Files from strangers: what is accepted, and where it is kept."""

"""Text of resumes, for search."""

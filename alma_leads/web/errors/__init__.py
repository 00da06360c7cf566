"""Errors as answers: problem details for programs, pages for people."""

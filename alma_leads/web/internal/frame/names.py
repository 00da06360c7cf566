"""People's names, shortened."""

from __future__ import annotations


def initials(name: str) -> str:
    """Return the first letters of the first and last word of a name."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def short_name(name: str) -> str:
    """Return "D. Kim" for "Daniel Kim"; one word stays as it is."""
    words = name.split()
    return f"{words[0][0]}. {words[-1]}" if len(words) > 1 else name

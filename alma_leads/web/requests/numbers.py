"""Numbers as they come in addresses and forms: what a stranger typed, so in so many digits and no other script's."""

from __future__ import annotations


def whole_number(text: str, *, digits: int = 18) -> int | None:
    """Return the number that `text` writes with up to `digits` digits, or None. More of them fit into no column."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None

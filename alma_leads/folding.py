"""Folding of text for search and order: without regard to case or accents. The same on both databases."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """Return `text` case-folded and without what NFKD takes off.

    Twice, since folding can bring new marks: `İ` becomes `i` with a dot above.
    """
    if text.isascii():
        return text.lower()
    return _strip(_strip(text).casefold())


def _strip(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def search_text(*, first_name: str, last_name: str, email: str) -> str:
    """Return what a search looks in: "first last" and the address, apart, so that no match spans both.

    The two line feeds at the end make the last letters start a trigram too (see `leads.selection`).
    """
    return fold(f"{first_name} {last_name}\n{email}") + "\n\n"

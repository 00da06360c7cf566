"""Folding of text for search and order: without regard to case or accents. The same on both databases."""

from __future__ import annotations

from alma_leads.common.text import without_marks


def fold(text: str) -> str:
    """Return `text` case-folded and without what NFKD takes off.

    Twice, since folding can bring new marks: `İ` becomes `i` with a dot above.
    """
    if text.isascii():
        return text.lower()
    return without_marks(without_marks(text).casefold())


def search_text(*, first_name: str, last_name: str, email: str) -> str:
    """Return what a search looks in: "first last" and the address, apart, so that no match spans both.

    The two line feeds at the end make the last letters start a trigram too (see `leads.selection`).
    """
    return fold(f"{first_name} {last_name}\n{email}") + "\n\n"

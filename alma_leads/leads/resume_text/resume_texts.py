"""The text of resumes: as it reads, and as the words by which it is found. Works in its caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from alma_leads.database.raw import Sql
from alma_leads.resumes.sandbox.words import is_of_a_word, words_of

# Of a lead so many passages are shown, each with so many words on both sides, and what stands between them.
MAX_PASSAGES, AROUND = 3, 24

Passage = tuple[tuple[str, bool], ...]  # pieces of text, and whether each is a word that was looked for

_STORE = """
    INSERT INTO resume_texts (lead_id, words, body) VALUES (:lead_id, {words}, :body)
    ON CONFLICT (lead_id) DO UPDATE SET words = excluded.words, body = excluded.body
"""
_STORE_ONE = Sql(sqlite=_STORE.format(words=":words"), postgresql=_STORE.format(words="array_to_tsvector(:words)"))
_FORGET = Sql("DELETE FROM resume_texts WHERE lead_id = :lead_id")
_BODY = Sql("SELECT body FROM resume_texts WHERE lead_id = :lead_id")


def store_text(connection: Connection, lead_id: int, text: str, words: Sequence[str]) -> None:
    """Store the text of a lead's resume and the words it is found by, replacing any stored before.

    The words are the caller's to make, before the transaction: how long that takes is up to a stranger.
    """
    if not words:
        _FORGET.run(connection, lead_id=lead_id)
        return
    kept: Any = f" {' '.join(words)} " if connection.dialect.name == "sqlite" else list(words)
    _STORE_ONE.run(connection, lead_id=lead_id, words=kept, body=text)


def text_of(connection: Connection, lead_id: int) -> str:
    """Return the text of a lead's resume, or "" when there is none or it is not known."""
    row = _BODY.row(connection, lead_id=lead_id)
    return row[0] if row else ""


def passages(text: str, wanted: Iterable[str]) -> list[Passage]:
    """Return the lines around where `text` first says each of the folded words that are `wanted`, a few at most."""
    missing = set(wanted)
    found: list[Passage] = []
    parts = _parts(text)
    at = shown = 0
    while missing and len(found) < MAX_PASSAGES and at < len(parts):
        if missing.isdisjoint(words_of(parts[at])):
            at += 1
            continue
        low, high = max(shown, at - AROUND), min(len(parts), at + AROUND + 1)
        said = [(part, not missing.isdisjoint(words_of(part))) for part in parts[low:high]]
        missing -= {word for part in parts[low:high] for word in words_of(part)}
        start, end = [("… ", False)] if low else [], [(" …", False)] if high < len(parts) else []
        found.append((*start, *said, *end))
        at = shown = high
    return found


def _parts(text: str) -> list[str]:
    """Return the words of a text and what stands between them, in turn."""
    return ["".join(group) for _, group in groupby(text, key=is_of_a_word)]

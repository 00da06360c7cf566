"""The text of resumes: as it reads, and as the words by which it is found. Works in its caller's transaction.

A word is what stands between anything that is neither letter, mark nor digit; it is folded as all that is searched.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from itertools import accumulate, groupby, takewhile
from typing import Any

from sqlalchemy import Connection

from alma_leads.database import Sql
from alma_leads.leads.folding import fold

MAX_WORD_LENGTH = 64
# PostgreSQL keeps less than a megabyte of words of a document, and what it needs beside them.
MAX_WORDS_BYTES = 500_000
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


def store_text(connection: Connection, lead_id: int, text: str) -> None:
    """Keep the text of a lead's resume, instead of any that was kept before."""
    words = words_of(text)
    if not words:
        _FORGET.run(connection, lead_id=lead_id)
        return
    kept: Any = f" {' '.join(words)} " if connection.dialect.name == "sqlite" else words
    _STORE_ONE.run(connection, lead_id=lead_id, words=kept, body=text)


def text_of(connection: Connection, lead_id: int) -> str:
    """Return the text of a lead's resume, or "" when there is none or it is not known."""
    row = _BODY.row(connection, lead_id=lead_id)
    return row[0] if row else ""


def words_of(text: str) -> list[str]:
    """Return each word of `text` once, folded, in the order of their first use."""
    folded = fold(text)
    spaced = "".join(c if _is_of_a_word(c) else " " for c in folded)
    words = list(dict.fromkeys(word[:MAX_WORD_LENGTH] for word in spaced.split()))
    sizes = accumulate(len(word.encode()) + 1 for word in words)
    return words[: sum(1 for _ in takewhile(lambda size: size <= MAX_WORDS_BYTES, sizes))]


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
    return ["".join(group) for _, group in groupby(text, key=_is_of_a_word)]


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or (character > "\x7f" and unicodedata.category(character)[0] == "M")

"""The text of resumes: as it reads, and as the words by which it is found. Runs in its caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from sqlalchemy import Connection, delete, func

from alma_leads.common.extensions import db
from alma_leads.database.upsert import insert
from alma_leads.leads.resume_text.models import ResumeText
from alma_leads.resumes.sandbox.words import is_of_a_word, words_of

# Of a lead so many passages are shown, each with so many words on both sides, and what stands between them.
MAX_PASSAGES, AROUND = 3, 24

Passage = tuple[tuple[str, bool], ...]  # pieces of text, and whether each is a word that was looked for


def store_text(connection: Connection, lead_id: int, text: str, words: Sequence[str]) -> None:
    """Store the text of a lead's resume and the words it is found by, replacing any stored before.

    Make the words before the transaction: how long that takes is up to a stranger.
    """
    if not words:
        connection.execute(delete(ResumeText).where(ResumeText.lead_id == lead_id))
        return
    on_sqlite = connection.dialect.name == "sqlite"
    kept = f" {' '.join(words)} " if on_sqlite else func.array_to_tsvector(list(words))
    new = insert(ResumeText).values(lead_id=lead_id, words=kept, body=text)
    changes = {"words": new.excluded.words, "body": new.excluded.body}
    connection.execute(new.on_conflict_do_update(index_elements=[ResumeText.lead_id], set_=changes))


def find_text(lead_id: int) -> str:
    """Return the text of a lead's resume, or "" if it has none or was not read yet."""
    stored = db.session.get(ResumeText, lead_id)
    return stored.body if stored else ""


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

"""Find text in leads and words in resumes. The one place where a list depends on the kind of database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, cast, column, exists, func, select, table
from sqlalchemy.dialects.postgresql import TSQUERY

from alma_leads.common.extensions import db
from alma_leads.leads.core.models import Lead
from alma_leads.leads.resume_text.models import ResumeText

# Up to so many matches are looked up by id and sorted. If there are more, following the order soon meets enough.
FEW = 2000
# Text without a trigram is looked for in so many of the newest leads first, to see whether it is common.
TRIGRAM, RECENT, COMMON = 3, 2000, 20

_LEADS_INDEX = table("leads_search", column("rowid"), column("leads_search"))
_RESUMES_INDEX = table("resume_texts_search", column("rowid"), column("resume_texts_search"))


def matches_text(text: str) -> ColumnElement[bool]:
    """Return the condition for leads whose name or email address contains `text`, which is folded."""
    if _is_postgresql():
        return Lead.search_text.like(f"%{_escaped(text)}%")
    contains = func.instr(Lead.search_text, text) > 0
    if len(text) < TRIGRAM:
        recent = select(Lead.search_text).order_by(Lead.id.desc()).limit(RECENT).subquery()
        found = select(recent.c.search_text).where(func.instr(recent.c.search_text, text) > 0)
        return contains if _ids(found, COMMON) is None else Lead.id.in_(select(Lead.id).where(contains))
    found = select(_LEADS_INDEX.c.rowid).where(_LEADS_INDEX.c.leads_search.bool_op("MATCH")(_phrase(text)))
    ids = _ids(found, FEW)
    return contains if ids is None else Lead.id.in_(ids)


def has_resume_words(words: tuple[str, ...]) -> ColumnElement[bool]:
    """Return the condition for leads whose resume contains all of `words`: folded, letters and digits only."""
    if _is_postgresql():
        query = cast(" & ".join(f"'{word}'" for word in words), TSQUERY)
        return Lead.id.in_(select(ResumeText.lead_id).where(ResumeText.words.bool_op("@@")(query)))
    match = " AND ".join(map(_phrase, words))
    found = select(_RESUMES_INDEX.c.rowid).where(_RESUMES_INDEX.c.resume_texts_search.bool_op("MATCH")(match))
    ids = _ids(found, FEW)
    if ids is not None:
        return Lead.id.in_(ids)
    has_word = (func.instr(ResumeText.words, f" {word} ") > 0 for word in words)
    return exists().where(ResumeText.lead_id == Lead.id, *has_word)


def _is_postgresql() -> bool:
    return db.engine.dialect.name == "postgresql"


def _ids(found: Select[Any], most: int) -> Sequence[Any] | None:
    """Return what a statement finds, or None if that is more than `most`. SQLite cannot estimate it itself."""
    ids = db.session.scalars(found.limit(most + 1)).all()
    return ids if len(ids) <= most else None


def _phrase(text: str) -> str:
    """Return `text` as a phrase of FTS5."""
    return '"' + text.replace('"', '""') + '"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

"""How text is found among leads: by trigrams, or by looking at each lead where the text is too common for that."""

from __future__ import annotations

from sqlalchemy import Connection

from alma_leads.database.raw import Sql

# Up to this many hits of a search are fetched and sorted; a more common text is met soon by walking the order itself.
RARE = 20_000
TRIGRAM = 3
# Text that this many of the newest RECENT leads hold is common: it is not worth counting how common.
RECENT, COMMON = 2000, 20
# On PostgreSQL words that so many of the newest texts of resumes have are common.
RECENT_TEXTS, COMMON_TEXTS = 500, 5
NOWHERE = "\x01\x01\x01"  # control characters are in no name and no address

# Looking at each lead; needs no index, and can use none.
CONTAINS = {"sqlite": "instr(l.search_text, :query) > 0", "postgresql": "strpos(l.search_text, :query) > 0"}
_COUNT_HITS = Sql(
    f"SELECT count(*) FROM (SELECT rowid FROM leads_search WHERE leads_search MATCH :match LIMIT {RARE + 1}) h"
)
_RECENT_HITS = Sql(f"""
    SELECT count(*) FROM (SELECT search_text FROM leads ORDER BY id DESC LIMIT {RECENT}) r
    WHERE instr(r.search_text, :query) > 0
""")
_RECENT_TEXTS = Sql(f"""
    SELECT count(*) FROM (SELECT words FROM resume_texts ORDER BY lead_id DESC LIMIT {RECENT_TEXTS}) r
    WHERE r.words @@ CAST(:resume_query AS tsquery)
""")
_TERMS = Sql("SELECT term, doc FROM leads_search_terms WHERE term >= :low AND term < :high ORDER BY term")


def match_expression(connection: Connection, query: str, *, any_number: bool) -> str | None:
    """Return the FTS5 expression for text that contains `query`, or None when it is too common to be worth it."""
    if len(query) < TRIGRAM:
        return _match_short(connection, query)
    match = _phrase(query)
    if any_number:
        return match
    hits = _COUNT_HITS.row(connection, match=match)
    return match if hits is not None and hits[0] <= RARE else None


def are_common_in_resumes(connection: Connection, resume_query: str) -> bool:
    """Say whether the words are met soon when resumes are looked at one by one. For PostgreSQL."""
    row = _RECENT_TEXTS.row(connection, resume_query=resume_query)
    return row is not None and row[0] >= COMMON_TEXTS


def _match_short(connection: Connection, query: str) -> str | None:
    """Return the alternatives that are in the index for less than a trigram: "ma" is mar, mat, man…"""
    recent = _RECENT_HITS.row(connection, query=query)
    if recent is not None and recent[0] >= COMMON:
        return None
    terms, hits = [], 0
    for term, leads in _TERMS.each(connection, low=query, high=_after(query)):
        hits += leads
        if hits > RARE:
            return None
        terms.append(_phrase(term))
    return " OR ".join(terms) or _phrase(NOWHERE)


def _after(text: str) -> str:
    """Return the least text that is greater than all that start with `text`, in the order of code points."""
    following = ord(text[-1]) + 1
    return text[:-1] + chr(0xE000 if following == 0xD800 else following) if following <= 0x10FFFF else text + text


def _phrase(text: str) -> str:
    """Return `text` as an FTS5 phrase."""
    return '"' + text.replace('"', '""') + '"'


def like_pattern(query: str) -> str:
    """Return the LIKE pattern for text that contains `query`."""
    escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"

"""From a filter to the FROM, WHERE and ORDER BY of a statement: the one place that knows how to search fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from alma_leads.database import Sql
from alma_leads.leads.filters import Cursor, LeadFilter

# Up to this many hits of a search are fetched and sorted; a more common text is met soon by walking the order itself.
RARE = 20_000
TRIGRAM = 3
# Text that this many of the newest RECENT leads hold is common: it is not worth counting how common.
RECENT, COMMON = 2000, 20
# Of the leads that came after a page was made, so many are looked at.
NEWER = 1000
NOWHERE = "\x01\x01\x01"  # control characters are in no name and no address

SORT_COLUMNS = {"created_at": "l.created_at", "updated_at": "l.updated_at", "last_name": "l.last_name_key"}
# The status in so many words: an index of pending leads only is used by nothing less.
OVERDUE = "l.status = 'PENDING' AND l.due_at <= :overdue_at"
_COUNT_HITS = Sql(
    f"SELECT count(*) FROM (SELECT rowid FROM leads_search WHERE leads_search MATCH :match LIMIT {RARE + 1}) h"
)
_RECENT_HITS = Sql(f"""
    SELECT count(*) FROM (SELECT search_text FROM leads ORDER BY id DESC LIMIT {RECENT}) r
    WHERE instr(r.search_text, :query) > 0
""")
_CONTAINS = {"sqlite": "instr(l.search_text, :query) > 0", "postgresql": "strpos(l.search_text, :query) > 0"}
_TERMS = Sql("SELECT term, doc FROM leads_search_terms WHERE term >= :low AND term < :high ORDER BY term")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of `leads l`, in which order. `params` are the values; everything else is the statement's text."""

    source: str
    where: tuple[str, ...]
    order: str

    def text(self, columns: str, *, joins: str) -> str:
        """Return the statement that selects `columns`, without a LIMIT."""
        clause = f"WHERE {' AND '.join(self.where)}" if self.where else ""
        return f"SELECT {columns} FROM {self.source} {joins} {clause} ORDER BY {self.order}"

    def count_text(self) -> str:
        """Return the statement that counts the rows."""
        clause = f"WHERE {' AND '.join(self.where)}" if self.where else ""
        return f"SELECT count(*) FROM {self.source} {clause}"


def select(connection: Connection, lead_filter: LeadFilter) -> tuple[Selection, dict[str, Any]]:
    """Return how to find what `lead_filter` describes, and the parameters.

    A search on SQLite chooses here between the trigram index and the order itself; PostgreSQL's planner does it alone.
    """
    where, params = _conditions(lead_filter)
    source, by_rowid = "leads l", False
    if lead_filter.query:
        if connection.dialect.name == "postgresql":
            where.append("l.search_text LIKE :query")
            params["query"] = like_pattern(lead_filter.query)
        else:
            source, by_rowid = _search_sqlite(connection, lead_filter, where, params)
    order = _order(lead_filter, where, params, by_rowid=by_rowid)
    return Selection(source, tuple(where), order), params


def select_newer(connection: Connection, lead_filter: LeadFilter) -> tuple[Selection, dict[str, Any]]:
    """Return how to find the leads with a number above `:after` that `lead_filter` describes, wherever its cursor is.

    They are few, so each is looked at: no index but that of the numbers is of use.
    """
    where, params = _conditions(lead_filter)
    if lead_filter.query:
        where.append(_CONTAINS[connection.dialect.name])
        params["query"] = lead_filter.query
    newer = f"(SELECT * FROM leads WHERE id > :after ORDER BY id LIMIT {NEWER}) l"
    return Selection(newer, tuple(where), "l.id"), params


def _conditions(lead_filter: LeadFilter) -> tuple[list[str], dict[str, Any]]:
    status = lead_filter.status.value if lead_filter.status else None
    wanted = {
        "status": ("l.status = :status", status),
        "attorney_id": ("l.attorney_id = :attorney_id", lead_filter.attorney_id),
        "created_from": ("l.created_at >= :created_from", lead_filter.created_from),
        "created_to": ("l.created_at <= :created_to", lead_filter.created_to),
        "overdue_at": (OVERDUE, lead_filter.overdue_at),
    }
    where = [condition for condition, value in wanted.values() if value is not None]
    params = {name: value for name, (_, value) in wanted.items() if value is not None}
    if lead_filter.unassigned:
        where.append("l.attorney_id IS NULL")
    return where, params


def _search_sqlite(
    connection: Connection, lead_filter: LeadFilter, where: list[str], params: dict[str, Any]
) -> tuple[str, bool]:
    """Add the search to `where`; return the source, and whether its own order (of arrival) is to be used."""
    # In an unfiltered list by arrival the index itself is read in that order, and stops when the page is full.
    by_rowid = not where and lead_filter.sort.lstrip("-") == "created_at"
    match = _match(connection, lead_filter.query, any_number=by_rowid)
    if match is None:
        where.append(_CONTAINS["sqlite"])
        params["query"] = lead_filter.query
        return "leads l", False
    where.append("s.leads_search MATCH :match")
    params["match"] = match
    return "leads_search s CROSS JOIN leads l ON l.id = s.rowid", by_rowid


def _match(connection: Connection, query: str, *, any_number: bool) -> str | None:
    """Return the FTS5 expression for text that contains `query`, or None when it is too common to be worth it."""
    if len(query) < TRIGRAM:
        return _match_short(connection, query)
    match = _phrase(query)
    if any_number:
        return match
    hits = _COUNT_HITS.row(connection, match=match)
    return match if hits is not None and hits[0] <= RARE else None


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


def _order(lead_filter: LeadFilter, where: list[str], params: dict[str, Any], *, by_rowid: bool) -> str:
    """Add the cursor to `where` and return the ORDER BY. Backwards, everything is turned round."""
    cursor: Cursor | None = lead_filter.cursor
    column = SORT_COLUMNS[lead_filter.sort.lstrip("-")]
    backwards = cursor is not None and cursor.backwards
    descending = lead_filter.sort.startswith("-") != backwards
    word, sign = ("DESC", "<") if descending else ("ASC", ">")
    if cursor is not None:
        params["after"] = cursor.id
        if by_rowid:
            where.append(f"s.rowid {sign} :after")
        else:
            where.append(f"({column}, l.id) {sign} (:value, :after)")
            params["value"] = cursor.value
    return f"s.rowid {word}" if by_rowid else f"{column} {word}, l.id {word}"


def like_pattern(query: str) -> str:
    """Return the LIKE pattern for text that contains `query`."""
    escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"

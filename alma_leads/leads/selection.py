"""From a filter to the FROM, WHERE and ORDER BY of a statement: the one place that knows how to search fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from alma_leads.database import Sql
from alma_leads.leads.filters import Cursor, LeadFilter

# Up to this many hits of a search are fetched and sorted; a more common text is met soon by walking the order itself.
RARE = 2000
MIN_TRIGRAM = 3

SORT_COLUMNS = {"created_at": "l.created_at", "updated_at": "l.updated_at", "last_name": "l.last_name_key"}
_COUNT_HITS = Sql(
    f"SELECT count(*) FROM (SELECT rowid FROM leads_search WHERE leads_search MATCH :match LIMIT {RARE + 1}) h"
)


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


def select(connection: Connection, lead_filter: LeadFilter) -> tuple[Selection, dict[str, Any]]:
    """Return how to find what `lead_filter` describes, and the parameters.

    A search on SQLite chooses between the trigram index and the order itself; PostgreSQL's planner does so by itself.
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


def _conditions(lead_filter: LeadFilter) -> tuple[list[str], dict[str, Any]]:
    status = lead_filter.status.value if lead_filter.status else None
    wanted = {
        "status": ("l.status = :status", status),
        "attorney_id": ("l.attorney_id = :attorney_id", lead_filter.attorney_id),
        "created_from": ("l.created_at >= :created_from", lead_filter.created_from),
        "created_to": ("l.created_at <= :created_to", lead_filter.created_to),
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
    match = trigram_match(lead_filter.query)
    if match is not None:
        hits = _COUNT_HITS.row(connection, match=match)
        rare = hits is not None and hits[0] <= RARE
        # Common text in an unfiltered list by arrival: the index itself can be read in that order.
        by_rowid = not rare and not where and lead_filter.sort.lstrip("-") == "created_at"
        if rare or by_rowid:
            where.append("s.leads_search MATCH :match")
            params["match"] = match
            return "leads_search s CROSS JOIN leads l ON l.id = s.rowid", by_rowid
    where.append("instr(l.search_text, :query) > 0")
    params["query"] = lead_filter.query
    return "leads l", False


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


def trigram_match(query: str) -> str | None:
    """Return the FTS5 phrase for text that contains `query`, or None when it is too short for a trigram."""
    return None if len(query) < MIN_TRIGRAM else '"' + query.replace('"', '""') + '"'

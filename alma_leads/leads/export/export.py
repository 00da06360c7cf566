"""All leads of a filter as CSV, NDJSON or XLSX. How rows become lines is said in `streaming`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial

from sqlalchemy import Connection, Engine

from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading_through
from alma_leads.file_formats.streaming import Column, Format, Tally, document, export_statement, moment, stream
from alma_leads.leads.core.lookup import FULL_LEAD, protected_address
from alma_leads.leads.listing.filters import LeadFilter
from alma_leads.leads.listing.selection import Selection, selections

_JOINS = "LEFT JOIN users u ON u.id = l.attorney_id"
_RESUME_URL = "coalesce(l.resume_url, :files || l.id || '/resume')"
_SPECIAL = {
    "id": Column("id", "l.id", "l.id", "number"),
    "first_name": Column("first_name", "l.first_name", "l.first_name", "text"),
    "last_name": Column("last_name", "l.last_name", "l.last_name", "text"),
    "email": Column("email", "l.email", "l.email", "text"),
    "resume_url": Column("resume_url", _RESUME_URL, _RESUME_URL, "address"),
    "assigned_to": Column("assigned_to", "u.email", "u.email", "text"),
}


def _column(name: str) -> Column:
    plain = moment(name, f"l.{name}") if name.endswith("_at") else Column(name, f"l.{name}", f"l.{name}")
    return _SPECIAL.get(name, plain)


COLUMNS = tuple(map(_column, FULL_LEAD))


def stream_leads(
    engine: Engine, lead_filter: LeadFilter, *, kind: Format, public_url: str, tally: Tally | None = None
) -> Iterator[bytes]:
    """Yield a document of full leads, in the order of the filter; CSV and XLSX name the columns.

    `tally` counts the leads that have been read for it.
    """
    rows = _rows(engine, lead_filter, kind=kind, public_url=public_url, tally=tally)
    return document(COLUMNS, rows, kind=kind, title="Leads")


def _rows(
    engine: Engine, lead_filter: LeadFilter, *, kind: Format, public_url: str, tally: Tally | None
) -> Iterator[bytes]:
    with reading_through(engine) as connection:
        files = protected_address(public_url)
        for _, selection, params in selections(connection, lead_filter.without_cursor()):
            yield from stream(connection, _statement(selection, kind), params | {"files": files}, tally=tally)


def count_leads(connection: Connection, lead_filter: LeadFilter) -> int:
    """Return how many leads `stream_leads` would yield at this moment."""
    rows = [
        _count(selection).row(connection, **params)
        for _, selection, params in selections(connection, lead_filter.without_cursor())
    ]
    return sum(row[0] for row in rows if row is not None)


@lru_cache(maxsize=256)
def _statement(selection: Selection, kind: Format) -> Sql:
    return export_statement(COLUMNS, partial(selection.text, joins=_JOINS), kind)


@lru_cache(maxsize=256)
def _count(selection: Selection) -> Sql:
    return Sql(selection.count_text())

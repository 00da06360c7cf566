"""All leads of a filter as CSV, NDJSON or XLSX, read by a server-side cursor."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing

from sqlalchemy import Connection, Engine, Row, text

from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading_through
from alma_leads.file_formats.formats import Format
from alma_leads.file_formats.records import write_records
from alma_leads.file_formats.workbook import Column, write_workbook
from alma_leads.leads.core.lookup import FULL_COLUMNS, FULL_JOINS, FULL_LEAD, protected_address
from alma_leads.leads.listing.filters import LeadFilter
from alma_leads.leads.listing.selection import selections

ROWS_TOGETHER = 1000


def stream_leads(engine: Engine, lead_filter: LeadFilter, *, kind: Format, public_url: str) -> Iterator[bytes]:
    """Yield a document of full leads, in the order of the filter; CSV and XLSX name the columns."""
    # A client that breaks off leaves no cursor open.
    with closing(_rows(engine, lead_filter, public_url=public_url)) as rows:
        if kind == "xlsx":
            yield from write_workbook([_column(name) for name in FULL_LEAD], rows, title="Leads")
        else:
            yield from write_records(FULL_LEAD, rows, kind=kind)


def _column(name: str) -> Column:
    if name == "id":
        return Column(name, "number")
    if name.endswith("_at"):
        return Column(name, "moment")
    return Column(name, "address" if name.endswith("_url") else "text")


def _rows(engine: Engine, lead_filter: LeadFilter, *, public_url: str) -> Generator[Row[*tuple[object, ...]]]:
    with reading_through(engine) as connection:
        streaming = connection.execution_options(yield_per=ROWS_TOGETHER)
        for _, selection, params in selections(connection, lead_filter.without_cursor()):
            statement = text(selection.text(FULL_COLUMNS, joins=FULL_JOINS))
            with streaming.execute(statement, params | {"files": protected_address(public_url)}) as rows:
                yield from rows


def count_leads(connection: Connection, lead_filter: LeadFilter) -> int:
    """Return how many leads `stream_leads` would yield at this moment."""
    rows = [
        Sql(selection.count_text()).row(connection, **params)
        for _, selection, params in selections(connection, lead_filter.without_cursor())
    ]
    return sum(row[0] for row in rows if row is not None)

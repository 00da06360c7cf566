"""All leads of a filter as CSV, NDJSON or XLSX, read by a server-side cursor."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, func, select

from alma_leads.accounts.core.models import User
from alma_leads.database.transactions import reading_through
from alma_leads.file_formats.formats import Format
from alma_leads.file_formats.records import write_records
from alma_leads.file_formats.workbook import Column, write_workbook
from alma_leads.leads.core.lookup import FULL_COLUMNS, FULL_LEAD, protected_address
from alma_leads.leads.core.models import Lead
from alma_leads.leads.listing.filters import LeadFilter
from alma_leads.leads.listing.query import leads_query

ROWS_TOGETHER = 1000


def stream_leads(engine: Engine, lead_filter: LeadFilter, *, kind: Format, public_url: str) -> Iterator[bytes]:
    """Yield a document of full leads, in the order of the filter; CSV and XLSX name the columns."""
    leads = leads_query(lead_filter.without_cursor()).with_only_columns(*FULL_COLUMNS)
    leads = leads.outerjoin(User, User.id == Lead.attorney_id).params(files=protected_address(public_url))
    return _document(_rows(engine, leads), kind)  # the statement is built now: the response outlives the request


def _document(rows: Generator[Row[*tuple[object, ...]]], kind: Format) -> Iterator[bytes]:
    with closing(rows):  # a client that breaks off leaves no cursor open
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


def _rows(engine: Engine, leads: Select[*tuple[Any, ...]]) -> Generator[Row[*tuple[object, ...]]]:
    with reading_through(engine) as connection:
        streaming = connection.execution_options(yield_per=ROWS_TOGETHER)
        with streaming.execute(leads) as rows:
            yield from rows


def count_leads(connection: Connection, lead_filter: LeadFilter) -> int:
    """Return how many leads `stream_leads` would yield at this moment."""
    leads = leads_query(lead_filter.without_cursor()).order_by(None).subquery()
    return connection.execute(select(func.count()).select_from(leads)).scalar_one()

"""Exports hold what the list shows, in its order, in each format; and take little memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from zipfile import BadZipFile

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openpyxl import Workbook, load_workbook
from openpyxl.utils.escape import unescape
from sqlalchemy import Engine

from alma_leads.accounts.core.models import Role
from alma_leads.common.extensions import db
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.transactions import reading, reading_through
from alma_leads.file_formats import records
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.export import export, export_service
from alma_leads.leads.listing.filters import DESK_SORTS, LeadFilter
from alma_leads.web.internal.lead_list import list_filter
from alma_leads.web.internal.lead_list.list_filter import ListFilter
from tests.conftest import API_KEY
from tests.support.desk import Page, add_lead, add_person, get, run, sign_in

KEY = {"X-API-Key": API_KEY}
REACHED = "UPDATE leads SET status = 'REACHED_OUT', reached_out_at = :at, reached_out_by = 'Rosa' WHERE id = :id"
READERS: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {
    "csv": lambda body: list(csv.DictReader(io.StringIO(body.decode("utf-8-sig")))),
    "ndjson": lambda body: [json.loads(line) for line in body.splitlines()],
    "xlsx": lambda body: table(opened(body).active),
}


def opened(body: bytes) -> Workbook:
    """Return a workbook as another program reads it."""
    return load_workbook(io.BytesIO(body))


def table(sheet: Any) -> list[dict[str, Any]]:
    """Return the rows of a sheet by the names in its first."""
    names, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a browser at a desk with leads that differ in all that a list can be sorted by."""
    add_person(app)
    people = [add_person(app, name, role=Role.ATTORNEY) for name in ("Zoe Ash", "Émile Zola")]
    for number in range(8):
        name, email = ("Núñez", "okafor", "Zed", "Abel")[number % 4], f"{'dbca'[number // 2]}{number}@example.com"
        lead_id = add_lead(app, last_name=name, email=email, days_ago=(3, 1, 2)[number % 3])
        if number % 3:
            run(app, "UPDATE leads SET attorney_id = :to WHERE id = :id", to=people[number % 3 - 1], id=lead_id)
        if number % 4 == 1:
            run(app, "UPDATE leads SET due_at = :at WHERE id = :id", at=to_stamp(utc_now()), id=lead_id)
        if number > 4:
            run(app, REACHED, at=to_stamp(utc_now()), id=lead_id)
    sign_in(client)
    return client


def shown(page: Page) -> list[int]:
    """Return the numbers of the leads on a page of the list."""
    return [int(urlsplit(link.get("href") or "").path.split("/")[-1]) for link in page.all("a", class_="name")]


def exported(client: FlaskClient, page: Page, kind: str) -> list[int]:
    """Return the numbers of the leads in the export that the page offers."""
    (link,) = (link for link in page.all("a") if f"/leads.{kind}" in (link.get("href") or ""))
    answer = client.get(link.get("href") or "")
    assert answer.status_code == 200, answer.text
    return [int(row["id"]) for row in READERS[kind](answer.data)]


def test_an_export_is_what_the_list_shows_in_its_order(desk: FlaskClient) -> None:
    filters: list[dict[str, str]] = [
        {},
        {"q": "e", "status": "PENDING"},
        {"assigned_to": "none", "received": "7d"},
    ]
    for number, sort in enumerate(DESK_SORTS):
        chosen = filters[number // 2 % len(filters)] | {"sort": sort}
        page = get(desk, f"/internal/leads?{urlencode(chosen)}")
        assert len(shown(page)) > 1
        for kind in READERS:
            assert exported(desk, page, kind) == shown(page), (chosen, kind)


def test_every_filter_of_the_list_goes_into_its_export() -> None:
    leads = LeadFilter(status=LeadStatus.PENDING, created_from="then", created_to="now")
    chosen = dict.fromkeys((*list_filter._FILTERS, "attorney", "sort"), "chosen")
    query = dict(parse_qsl(ListFilter(leads, chosen).export_query()))
    # What was received when is said by two moments: an export knows no reader, and no today.
    assert set(query) == {*list_filter._FILTERS, "sort"} - {"received"}


def test_what_is_read_once_is_not_kept_in_memory(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL keeps it in its own memory")
    with reading(engine) as connection:
        usual = connection.exec_driver_sql("PRAGMA cache_size").scalar()
    with reading_through(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar() == -2000
    with reading(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar() == usual != -2000


NASTY = ["=1+1", "+x", "-x", "@x", "＝1", "a<b>&amp;c", "]]>", "_x0041_", "quote \" ' back\\slash", "Ünï 𝒜 \u200d"]


def test_a_workbook_says_what_was_typed(app: Flask, client: FlaskClient) -> None:
    for name in NASTY:
        add_lead(app, first_name=name)
    sheet = opened(client.get("/internal/leads.xlsx?sort=created_at", headers=KEY).data).active
    cells = [row[1] for row in sheet.iter_rows(min_row=2)]
    assert [unescape(str(cell.value)) for cell in cells] == NASTY
    # Neither now nor when somebody edits it is a name a formula.
    assert {(cell.data_type, cell.number_format) for cell in cells} <= {("s", "@"), ("inlineStr", "@")}


def test_what_xml_cannot_hold_does_not_break_a_workbook(app: Flask, client: FlaskClient) -> None:
    lead_id = add_lead(app)
    typed = "a\x01b\x02\x1f\nc\ufffe\uffff\x0b"  # none of it gets past the form
    run(app, "UPDATE leads SET first_name = :name WHERE id = :id", name=typed, id=lead_id)
    (row,) = READERS["xlsx"](client.get("/internal/leads.xlsx", headers=KEY).data)
    assert row["first_name"] == "ab\nc\ufffd\ufffd"


def test_a_workbook_is_made_for_reading(app: Flask, client: FlaskClient) -> None:
    lead_id = add_lead(app)
    at = "2026-11-20T14:05:09.500000Z"
    run(app, "UPDATE leads SET created_at = :at WHERE id = :id", at=at, id=lead_id)
    answer = client.get("/internal/leads.xlsx", headers=KEY)
    assert answer.headers["Content-Disposition"] == "attachment; filename=leads.xlsx"
    sheet = opened(answer.data).active
    (row,) = table(sheet)
    assert row["id"] == lead_id
    assert row["created_at (UTC)"] == datetime(2026, 11, 20, 14, 5, 9, 500_000)  # noqa: DTZ001 -- as a spreadsheet has it
    assert row["reached_out_at (UTC)"] is row["assigned_to"] is None
    assert (sheet.title, sheet.freeze_panes, sheet.auto_filter.ref) == ("Leads", "A2", "A1:J2")
    assert all(cell.font.b for cell in sheet[1])
    empty = opened(client.get("/internal/leads.xlsx?q=nobody", headers=KEY).data).active
    assert (table(empty), empty.max_row) == ([], 1)


def test_a_workbook_that_broke_off_is_not_taken_for_whole(app: Flask, client: FlaskClient) -> None:
    add_lead(app)
    body = client.get("/internal/leads.xlsx", headers=KEY).data
    with pytest.raises(BadZipFile):
        opened(body[:-1000])


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_an_export_that_breaks_off_reads_no_further(
    app: Flask, desk: FlaskClient, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "LINES_PER_CHUNK", 1)
    answer = desk.get(f"/internal/leads.{kind}", buffered=False)
    assert next(answer.iter_encoded())
    answer.close()  # as a server does when its client is gone
    with app.app_context():
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["csv", "ndjson", "xlsx"])
def test_an_export_that_fails_never_looks_whole(desk: FlaskClient, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> Iterator[tuple[object, ...]]:
        yield (1, *[None] * 9)
        raise OSError("The database is gone.")

    monkeypatch.setattr(export, "_rows", failing)
    with pytest.raises(OSError, match="gone"):  # so the server ends the connection without the end of the answer
        list(desk.get(f"/internal/leads.{kind}", buffered=False).iter_encoded())


def test_more_leads_than_a_workbook_may_have_are_refused(desk: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_service, "WORKBOOK_LEADS", 7)
    answer = desk.get("/internal/leads.xlsx", headers=KEY)
    assert answer.status_code == 422
    assert "/internal/leads.csv" in answer.json["detail"]
    assert desk.get("/internal/leads.csv", headers=KEY).status_code == 200
    page = desk.get("/internal/leads.xlsx", headers={"Accept": "text/html"})
    assert (page.status_code, "Export them as CSV, or filter the list first." in page.text) == (422, True)


def test_a_csv_for_a_browser_begins_with_a_byte_order_mark(desk: FlaskClient) -> None:
    # Without it Excel takes the file for one in the encoding of its machine.
    assert desk.get("/internal/leads.csv").data.startswith(b"\xef\xbb\xbfid,")
    assert desk.get("/internal/leads.csv", headers=KEY).data.startswith(b"id,")
    assert desk.get("/internal/leads.ndjson").data.startswith(b"{")

"""Exports hold what the list shows, in its order, in each format; and take little memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from alma_leads.accounts.models import Role
from alma_leads.database import reading, reading_through, to_stamp, utc_now
from alma_leads.leads.filters import DESK_SORTS
from tests.desk import Page, add_lead, add_person, get, run, sign_in

REACHED = "UPDATE leads SET status = 'REACHED_OUT', reached_out_at = :at, reached_out_by = 'Rosa' WHERE id = :id"
READERS: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {
    "csv": lambda body: list(csv.DictReader(io.StringIO(body.decode()))),
    "ndjson": lambda body: [json.loads(line) for line in body.splitlines()],
}


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
    (link,) = page.all("a", id="export")
    answer = client.get((link.get("href") or "").replace("/leads.csv", f"/leads.{kind}"))
    assert answer.status_code == 200, answer.text
    return [int(row["id"]) for row in READERS[kind](answer.data)]


def test_an_export_is_what_the_list_shows_in_its_order(desk: FlaskClient) -> None:
    filters: tuple[dict[str, str], ...] = (
        {},
        {"q": "e", "status": "PENDING"},
        {"assigned_to": "none", "received": "7d"},
    )
    for sort in DESK_SORTS:
        for chosen in filters:
            page = get(desk, f"/internal/leads?{urlencode({**chosen, 'sort': sort})}")
            assert len(shown(page)) > 1
            for kind in READERS:
                assert exported(desk, page, kind) == shown(page), (sort, chosen, kind)


def test_what_is_read_once_is_not_kept_in_memory(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL keeps it in its own memory")
    with reading(engine) as connection:
        usual = connection.exec_driver_sql("PRAGMA cache_size").scalar()
    with reading_through(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar() == -2000
    with reading(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar() == usual != -2000

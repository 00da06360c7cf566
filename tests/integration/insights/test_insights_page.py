"""The page of figures over HTTP: what it says, where its links lead, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.accounts.core.models import Role
from alma_leads.database.base import to_stamp
from alma_leads.leads.first_contact.contact_time_service import measure_contact_times
from config import Settings
from tests.conftest import MakeSettings, TestClock
from tests.support.desk import HTML, Page, add_lead, add_person, get, run, sign_in
from tests.support.first_contact import set_clock
from tests.support.insights import put_lead

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PAGE = "/internal/insights"


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str) -> Settings:
    """Return settings with SQLite alone: what is counted is tested on both elsewhere."""
    return make_settings(DATABASE_URL=sqlite_url)


@pytest.fixture
def desk(app: Flask, client: FlaskClient, clock: TestClock) -> FlaskClient:
    """Return a client who is signed in as a viewer in New York; the firm is in Berlin."""
    clock.now = NOW
    add_person(app, role=Role.VIEWER, time_zone="America/New_York")
    set_clock(app)
    sign_in(client)
    return client


@pytest.fixture
def busy(app: Flask, desk: FlaskClient) -> FlaskClient:
    """Return the same, with leads."""
    kim = add_person(app, "Daniel Kim", role=Role.ATTORNEY)
    tuesday = datetime(2026, 11, 17, 8, tzinfo=UTC)  # nine o'clock at the firm
    put_lead(app, tuesday, email="a@example.com", attorney=kim, reached=tuesday + timedelta(hours=2))
    put_lead(app, tuesday, email="a@example.com", attorney=kim)
    # Eleven in the evening at the firm, still the day before in New York.
    put_lead(app, datetime(2026, 11, 19, 23, 30, tzinfo=UTC), email="b@example.com", source="api")
    put_lead(app, NOW, email="c@example.com", source=None)
    with app.app_context():
        measure_contact_times()
    return desk


def rows(page: Page, name: str) -> list[list[str]]:
    """Return the cells of the table in the figure whose heading begins with `name`."""
    for figure in page.all("figure"):
        if "".join(figure.find(".//{*}h2").itertext()).startswith(name):
            found = figure.findall(".//{*}tbody/{*}tr")
            return [["".join(cell.itertext()).strip() for cell in row] for row in found]
    raise AssertionError(f"no figure {name}")


def test_it_says_how_many_came_and_how_soon_they_were_contacted(busy: FlaskClient) -> None:
    page = get(busy, f"{PAGE}?period=30d")
    assert "17 to 24 Nov, all attorneys. Days are the firm’s, in Europe/Berlin." in page.text
    assert rows(page, "Leads per day")[:4] == [
        ["17 Nov", "2", "1", "1", "1", "50 %"],
        ["18 Nov", "0", "0", "0", "0", "–"],
        ["19 Nov", "0", "0", "0", "0", "–"],
        ["20 Nov", "1", "0", "1", "0", "0 %"],
    ]
    assert rows(page, "Time to first contact")[0] == ["17 Nov", "1", "2 h", "2 h"]
    assert "The firm’s target is 8 h." in page.text


def test_attorneys_and_sources_are_told_apart(busy: FlaskClient) -> None:
    page = get(busy, f"{PAGE}?period=30d")
    by_attorney = [[row[0], *row[2:]] for row in rows(page, "By attorney")]
    assert by_attorney == [
        ["DKDaniel Kim", "2", "1", "1 pending, Daniel Kim", "2 h", "2 h"],
        ["Helpdesk", "2", "0", "2 pending, Helpdesk", "–", "–"],
    ]
    assert [[row[0], row[2], row[3]] for row in rows(page, "Sources")] == [
        ["The form", "2", "50 %"],
        ["The API, without a key", "1", "25 %"],
        ["Not known: older than the record", "1", "25 %"],
    ]


def test_numbers_lead_to_just_those_leads(busy: FlaskClient) -> None:
    page = get(busy, f"{PAGE}?period=30d")
    links = {
        "".join(link.itertext()): link.get("href") or ""
        for link in page.all("a")
        if "pending," in "".join(link.itertext()) and "/internal/leads?" in (link.get("href") or "")
    }
    assert links
    for words, href in links.items():
        assert len(get(busy, href).names()) == int(words.split()[0]), (words, href)


def test_each_period_is_a_link_that_says_where_one_is(busy: FlaskClient) -> None:
    for period in ("7d", "30d", "12w", "quarter", "year", "all"):
        page = get(busy, f"{PAGE}?period={period}")
        [current] = [link for link in page.all("a") if f"period={period}" in (link.get("href") or "")]
        assert current.get("aria-current") == "page"


def test_dates_and_columns_are_kept_in_the_form(busy: FlaskClient) -> None:
    page = get(busy, f"{PAGE}?from=2026-11-18&to=2026-11-20&by=week")
    assert rows(page, "Leads per week") == [["18 to 20 Nov", "1", "0", "1", "0", "0 %"]]
    values = {field.get("name"): field.get("value") for field in page.all("input") if field.get("type") == "date"}
    assert values == {"from": "2026-11-18", "to": "2026-11-20"}


REFUSED = [
    ("from=yesterday", "Give a date like 2026-11-24"),
    ("to=2026-02-30", "Give a date like 2026-11-24"),
    ("from=2026-12-01", "Choose a day up to today, 24 November 2026"),
    ("from=2026-11-20&to=2026-11-19", "Choose a day that is not before the first one, 20 November 2026"),
    ("by=hour", "Choose days, weeks, months or years"),
    ("period=decade", "Give one of 7d, 30d, 12w, quarter, year, all"),
    ("period=7d&from=2026-11-20", "Give either a period or dates, not both"),
    ("colour=blue", "This parameter is not known. Leave it out"),
]


def test_what_cannot_be_is_said_at_its_field(busy: FlaskClient) -> None:
    for query, sentence in REFUSED:
        answer = busy.get(f"{PAGE}?{query}", headers=HTML)
        assert answer.status_code == 422
        assert sentence in answer.get_data(as_text=True)
        program = busy.get(f"{PAGE}?{query}", headers={"Accept": "application/json"})
        assert (program.status_code, program.json["errors"][0]["message"]) == (422, sentence)


def test_more_columns_than_can_be_read_are_refused(app: Flask, desk: FlaskClient) -> None:
    put_lead(app, NOW - timedelta(days=200))
    answer = desk.get(f"{PAGE}?period=all&by=day", headers=HTML)
    assert answer.status_code == 422
    assert "201 columns are more than a chart can show (100)" in answer.get_data(as_text=True)


def test_days_before_the_first_lead_show_nothing(busy: FlaskClient) -> None:
    page = get(busy, f"{PAGE}?from=2020-01-01&to=2020-03-01")
    assert "0 came in" in page.text
    assert "No leads in these days" in page.text


def test_without_leads_it_says_what_will_be_here(desk: FlaskClient) -> None:
    assert "No leads yet" in get(desk, PAGE).text


def test_every_column_can_be_reached_and_says_its_numbers(busy: FlaskClient) -> None:
    page = get(busy, f"{PAGE}?period=30d")
    points = [each for each in page.root.iter("{http://www.w3.org/2000/svg}g") if each.get("class") == "pt"]
    assert len(points) == 3 * 8
    assert points[0].get("aria-label") == "17 Nov: 2 leads, 1 still pending"
    assert all(point.get("tabindex") == "0" for point in points)
    assert points[8].get("aria-label") == "17 Nov: half in 2 h, 9 of 10 in 2 h"


def test_mail_is_summed_up_and_what_waits_is_a_link(app: Flask, busy: FlaskClient) -> None:
    assert "No email was sent or given up in these days. None waits to be sent now." in get(busy, PAGE).text
    add_lead(app, email="d@example.com")
    add_lead(app, email="e@example.com")
    settle = "UPDATE outbox_messages SET state = :state, attempts = id, settled_at = :at WHERE id = :id"
    for number, state in ((1, "sent"), (2, "sent"), (3, "dead")):
        run(app, settle, state=state, at=to_stamp(NOW), id=number)
    page = get(busy, PAGE)
    assert "A mail server took 67 % of 3: 1 at the first try, 1 after a retry; 1 ended as dead letters." in page.text
    assert "1 waits to be sent now." in page.text
    assert rows(page, "Mail delivery")[-1] == ["24 Nov", "1", "1", "1"]


def test_leads_that_are_not_measured_yet_are_named(app: Flask, desk: FlaskClient) -> None:
    for days in (4, 5):
        put_lead(app, NOW - timedelta(days=days), reached=NOW)
    assert "2 leads are still being counted" in get(desk, PAGE).text
    with app.app_context():
        measure_contact_times()
    assert "still being counted" not in get(desk, PAGE).text

"""Being away, on the account page, on a person's page, and wherever an attorney is named."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from alma_leads.accounts.core.models import Role
from alma_leads.leads.assignments.assignment_service import assign
from alma_leads.leads.assignments.models import Absence
from config import Settings
from tests.conftest import MakeSettings, TestClock
from tests.support.desk import add_lead, add_person, count, get, post, sign_in, value
from tests.support.first_contact import ROSA, set_clock

ACCOUNT = "/internal/account"
IAN = "ian.park@alma.example"


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str) -> Settings:
    """Return settings on SQLite alone: what the pages say does not depend on the database."""
    return make_settings(DATABASE_URL=sqlite_url)


@pytest.fixture(autouse=True)
def tuesday(clock: TestClock) -> None:
    """Begin on a Tuesday, at ten in Berlin."""
    clock.set("2026-11-24T10:00+01:00")


@pytest.fixture
def ian(app: Flask) -> int:
    """Return an attorney of a firm in Berlin."""
    add_person(app)
    set_clock(app)
    return add_person(app, "Ian Park", role=Role.ATTORNEY)


def test_an_attorney_says_it_on_the_account_page(app: Flask, client: FlaskClient, ian: int) -> None:
    sign_in(client, "Ian Park")
    answer = post(client, f"{ACCOUNT}/absences", on=ACCOUNT, first_day="2026-11-24", last_day="2026-12-03")
    assert answer.headers["Location"] == f"{ACCOUNT}?saved=away"
    page = get(client, ACCOUNT)
    assert "Away until 3 Dec" in page.text
    assert "Away today to 3 Dec" in page.text
    lead_id = add_lead(app)
    assert "Ian Park (away until 3 Dec)" in get(client, f"/internal/leads/{lead_id}").text
    number = value(app, select(Absence.id))
    post(client, f"{ACCOUNT}/absences/{number}/remove", on=ACCOUNT)
    assert "Away until" not in get(client, ACCOUNT).text


def test_what_is_wrong_is_said_at_its_field_and_kept(client: FlaskClient, ian: int) -> None:
    sign_in(client, "Ian Park")
    answer = post(client, f"{ACCOUNT}/absences", on=ACCOUNT, first_day="soon", last_day="2026-11-01")
    assert answer.status_code == 422
    assert answer.text.count("Enter the first day, like 2026-12-24") == 2
    answer = post(client, f"{ACCOUNT}/absences", on=ACCOUNT, first_day="2026-11-25", last_day="2026-11-01")
    assert answer.text.count("Enter the same day as the first, or a later one") == 2
    assert 'value="2026-11-25"' in answer.text


def test_an_administrator_says_it_for_others(app: Flask, client: FlaskClient, ian: int) -> None:
    sign_in(client)
    person = f"/internal/settings/people/{ian}"
    answer = post(client, f"{person}/absences", on=person, first_day="2026-11-24", last_day="2026-11-24")
    assert answer.status_code == 303
    page = get(client, person)
    assert "Saved when Ian Park is away." in page.text
    assert "Away until today" in page.text
    assert "away until today" in get(client, "/internal/settings/people").text
    with app.app_context():
        assign("a@example.com", attorney_email=IAN, actor=ROSA)
    assert "away until today" in get(client, "/internal/settings/assignments").text
    assert "Rosa Delgado said when Ian Park is away." in get(client, "/internal/settings/audit").text
    number = value(app, select(Absence.id))
    post(client, f"{person}/absences/{number}/remove", on=person)
    assert count(app, Absence) == 0
    assert post(client, "/internal/settings/people/99/absences", on=person).status_code == 404


def test_a_viewer_is_not_offered_it(app: Flask, client: FlaskClient) -> None:
    add_person(app)
    add_person(app, "Vera View", role=Role.VIEWER)
    sign_in(client, "Vera View")
    assert not get(client, ACCOUNT).all("input", name="first_day")
    assert post(client, f"{ACCOUNT}/absences", on=ACCOUNT, first_day="x", last_day="x").status_code == 403

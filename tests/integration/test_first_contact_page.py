"""The settings page of the first contact clock, and what the lists and the worker make of it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.accounts.models import Role
from alma_leads.tasks import Background
from tests.conftest import TestClock
from tests.desk import add_lead, add_person, get, post, sign_in, value

HOME = "/internal/settings/first-contact"
GOOD: dict[str, Any] = {
    "target": "8",
    "amber": "4,5",
    "weekdays": ["1", "2", "3", "4", "5"],
    "opens": "09:00",
    "closes": "17:00",
    "time_zone": "Europe/Berlin",
    "country": "DE",
    "subdivision": "by",
    "closed_days": "2026-12-24\r\n2026-12-31",
}


@pytest.fixture(autouse=True)
def tuesday(clock: TestClock) -> None:
    """Begin on a Tuesday, at ten in Berlin."""
    clock.set("2026-11-24T10:00+01:00")


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client of an administrator."""
    add_person(app)
    sign_in(client)
    return client


def test_the_page_says_what_is_set(desk: FlaskClient) -> None:
    page = get(desk, HOME)
    assert "There is no target." in page.text
    assert [box.get("value") for box in page.all("input", name="weekdays", checked="")] == ["1", "2", "3", "4", "5"]


def test_what_is_saved_is_shown_and_worked_out_by_the_worker(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app)
    answer = post(desk, HOME, on=HOME, **GOOD)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{HOME}?saved=yes")
    page = get(desk, f"{HOME}?saved=yes")
    assert "1 lead that waits gets its new target within a minute or two" in page.text
    assert "A lead that comes in now is due on Wednesday 25 November 2026, 10:00 (Europe/Berlin)." in page.text
    assert "Thursday 24 December 2026; Friday 25 December 2026; Thursday 31 December 2026" in page.text
    assert page.all("input", name="amber")[0].get("value") == "4.5"
    assert page.all("input", name="subdivision")[0].get("value") == "BY"
    Background(app).sweep()
    assert value(app, "SELECT due_at FROM leads WHERE id = :id", id=lead_id) == "2026-11-25T09:00:00.000000Z"
    assert "1 lead" not in get(desk, f"{HOME}?saved=yes").text
    log = get(desk, "/internal/settings/audit")
    assert "Rosa Delgado changed the target for a first contact or its hours." in log.text


def test_what_cannot_be_used_is_said_in_the_summary_and_at_its_field(desk: FlaskClient) -> None:
    answer = post(desk, HOME, on=HOME, **{**GOOD, "target": "soon", "weekdays": [], "closed_days": "24.12.2026"})
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert "Error: First contact" in page
    for message in ("Enter a number of hours", "Choose at least one day", "this is not one: 24.12.2026"):
        assert page.count(message) == 2
    assert 'value="soon"' in page


def test_without_a_target_the_hours_are_kept(app: Flask, desk: FlaskClient) -> None:
    assert post(desk, HOME, on=HOME, **{**GOOD, "target": "", "closes": "00:00"}).status_code == 303
    page = get(desk, HOME)
    assert "There is no target." in page.text
    assert page.all("input", name="closes")[0].get("value") == "00:00"
    assert value(app, "SELECT closes_minute FROM first_contact_clock") == 1440


@pytest.mark.parametrize("role", [Role.ATTORNEY, Role.VIEWER])
def test_only_an_administrator_sets_it(app: Flask, client: FlaskClient, role: Role) -> None:
    add_person(app, "Ian Park", role=role)
    sign_in(client, "Ian Park")
    assert client.get(HOME, headers={"Accept": "text/html"}).status_code == 403
    assert post(client, HOME, on="/internal/account", **GOOD).status_code == 403
    assert "First contact" not in get(client, "/internal/account").text

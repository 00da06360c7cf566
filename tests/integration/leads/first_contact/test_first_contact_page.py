"""The settings page of the first contact clock, and what the lists and the worker make of it."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from alma_leads.accounts.api_keys.key_service import create_key
from alma_leads.accounts.core.models import Role
from alma_leads.database.base import from_stamp
from alma_leads.jobs.tasks import Background
from alma_leads.leads.assignments.assignment_service import assign
from alma_leads.leads.core.models import Lead
from alma_leads.leads.first_contact.models import FirstContactClock
from alma_leads.leads.first_contact.status_service import mark_reached_out
from tests.conftest import TestClock
from tests.support.desk import Page, add_lead, add_person, get, post, sign_in, value
from tests.support.first_contact import GOOD, ROSA, set_clock
from tests.support.pages import XHTML

HOME = "/internal/settings/first-contact"


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
    assert value(app, select(Lead.due_at).where(Lead.id == lead_id)) == from_stamp("2026-11-25T09:00:00.000000Z")
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
    assert value(app, select(FirstContactClock.closes_minute)) == 1440


@pytest.mark.parametrize("role", [Role.ATTORNEY, Role.VIEWER])
def test_only_an_administrator_sets_it(app: Flask, client: FlaskClient, role: Role) -> None:
    add_person(app, "Ian Park", role=role)
    sign_in(client, "Ian Park")
    assert client.get(HOME, headers={"Accept": "text/html"}).status_code == 403
    assert post(client, HOME, on="/internal/account", **GOOD).status_code == 403
    assert "First contact" not in get(client, "/internal/account").text


def marks(page: Page) -> dict[str, tuple[str, str]]:
    """Return, by name, the class and the words of each mark in the list."""
    rows = [row for row in page.all("tr") if (row.get("id") or "").startswith("lead-")]
    found = {}
    for row in rows:
        name = next("".join(link.itertext()) for link in row.iter(f"{XHTML}a") if link.get("class") == "name")
        late = [mark for mark in row.iter() if (mark.get("class") or "").startswith("late")]
        found[name] = (late[0].get("class") or "", late[0].text or "") if late else ("", "")
    return found


def test_the_list_marks_what_comes_near_the_target_and_what_is_past_it(
    app: Flask, client: FlaskClient, clock: TestClock
) -> None:
    add_person(app)
    set_clock(app)
    overdue = add_lead(app, first_name="Olga", last_name="Overdue")
    clock.set("2026-11-24T16:00+01:00")
    add_lead(app, first_name="Adam", last_name="Amber")
    clock.set("2026-11-25T12:01+01:00")
    add_lead(app, first_name="Nina", last_name="New")
    reached = add_lead(app, first_name="Rita", last_name="Reached")
    with app.app_context():
        mark_reached_out(reached, actor=ROSA)
    sign_in(desk := client)
    page = get(desk, "/internal/leads")
    assert marks(page) == {
        "Olga Overdue": ("late2", "overdue by 2 hours"),
        "Adam Amber": ("late1", "due in 3 hours"),
        "Nina New": ("", ""),
        "Rita Reached": ("", ""),
    }
    assert page.all("time", title="First contact due Wednesday 25 November 2026, 10:00")
    assert "3 pending. 1 overdue, the oldest since Yesterday." in page.text
    links = {" ".join("".join(each.itertext()).split()): each.get("href") for each in page.all("a")}
    assert links["1 overdue"] == links["Overdue 1"] == "/internal/leads?overdue=true", "in the heading, and a tab"
    assert get(desk, "/internal/leads?overdue=true").names() == ["Olga Overdue"]
    lead = get(desk, f"/internal/leads/{overdue}?overdue=true")
    assert "1 of 1 overdue" in lead.text
    assert "First contact dueToday, 10:00" in lead.text
    assert "Waiting 1 day 2 hours" in lead.text
    assert lead.all("time", title="Wednesday 25 November 2026, 10:00")


def test_who_has_chosen_no_time_zone_has_the_firms(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    set_clock(app, zone="Asia/Kolkata")
    assert "Today, 14:30" in get(desk, "/internal/leads").text
    account = get(desk, "/internal/account")
    assert [option.text for option in account.all("option") if "selected" in option.attrib] == ["The firm’s"]
    wanted = {"time_zone": "America/New_York", "theme": ""}
    assert post(desk, "/internal/account/preferences", on="/internal/account", **wanted).status_code == 303
    assert "Today, 04:00" in get(desk, "/internal/leads").text


def test_settings_say_the_exact_moment_too(app: Flask, client: FlaskClient) -> None:
    number = add_person(app, time_zone="Europe/Berlin")
    sign_in(client)
    add_lead(app, email="s@example.kr")
    with app.app_context():
        assign("s@example.kr", attorney_email="rosa.delgado@alma.example", actor=ROSA)
        _, secret = create_key(
            "Website",
            scopes=["leads:read"],
            networks=[],
            expires_at=from_stamp("2026-12-31T22:00:00.000000Z"),
            actor=ROSA,
        )
    app.test_client().get("/internal/leads", headers={"X-API-Key": secret})
    now = "Tuesday 24 November 2026, 10:00"
    for address, words in {
        "/internal/account": ["Today, 10:00", "Today, 10:00"],
        "/internal/settings/assignments": ["Today"],
        "/internal/settings/keys": ["Just now"],
        "/internal/settings/people": ["Today, 10:00"],
        f"/internal/settings/people/{number}": ["Today, 10:00"],
    }.items():
        assert [time.text for time in get(client, address).all("time", title=now)] == words, address
    assert get(client, "/internal/settings/keys").all("time", title="Thursday 31 December 2026, 23:00")


def test_times_are_the_readers_own_and_exact_on_hover(app: Flask, client: FlaskClient, clock: TestClock) -> None:
    add_person(app, time_zone="America/Los_Angeles")
    add_lead(app)
    clock.forward(hours=30)
    sign_in(client)
    (time,) = get(client, "/internal/leads").all("time")
    assert time.text == "Yesterday, 01:00"
    assert time.get("title") == "Tuesday 24 November 2026, 01:00"
    assert time.get("datetime") == "2026-11-24T09:00:00.000000Z"

"""Saved views: kept for oneself or for all, shown as tabs with counts, deleted by whoever may, explained when stale."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.accounts.core.models import Role
from alma_leads.leads.listing import view_service
from tests.conftest import API_KEY
from tests.support.desk import HTML, Page, add_lead, add_person, csrf, get, post, run, sign_in, value


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an attorney."""
    add_person(app, role=Role.ATTORNEY)
    sign_in(client)
    return client


def other(app: Flask, name: str, role: Role) -> FlaskClient:
    """Return a client of someone else."""
    add_person(app, name, role=role)
    client = app.test_client()
    sign_in(client, name)
    return client


def tabs(page: Page) -> dict[str, str]:
    """Return the words of each tab and where it leads."""
    [nav] = page.all("nav", id="views")
    links = [element for element in nav.iter() if element.tag.endswith("}a")]
    return {" ".join("".join(link.itertext()).split()): link.get("href") or "" for link in links}


def current(page: Page) -> list[str]:
    """Return the tab that is shown."""
    [nav] = page.all("nav", id="views")
    links = [element for element in nav.iter() if element.get("aria-current")]
    return [" ".join("".join(link.itertext()).split()) for link in links]


def save(client: FlaskClient, name: str, query: str, **more: str) -> int:
    """Save a view, and return the status."""
    return post(client, "/internal/views", name=name, query=query, **more).status_code


def test_tabs_count_what_they_show(app: Flask, desk: FlaskClient) -> None:
    for number in range(4):
        add_lead(app, first_name="Lead", last_name=f"No{number}")
    run(app, "UPDATE leads SET status = 'REACHED_OUT', reached_out_at = created_at, reached_out_by = 'X' WHERE id = 1")
    run(app, "UPDATE leads SET due_at = created_at WHERE id <= 2")
    run(app, "UPDATE outbox_messages SET state = 'dead', attempts = 10 WHERE correlation = 'lead:3'")
    found = tabs(get(desk, "/internal/leads"))
    assert list(found) == [
        "All 4",
        "Pending 3",
        "Reached out 1",
        "Mine 0",
        "Unassigned 3",
        "Overdue 1",
        "Mail trouble 1",
    ]
    shown = {label: len(get(desk, href).names()) for label, href in found.items()}
    assert all(label.endswith(f" {number}") for label, number in shown.items())
    assert current(get(desk, "/internal/leads?overdue=true")) == ["Overdue 1"]


def test_a_view_is_saved_and_found_again(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    query = "status=PENDING&assigned_to=none&sort=created_at"
    assert f"/internal/views/new?{query}" in tabs(get(desk, f"/internal/leads?{query}")).values()
    form = get(desk, f"/internal/views/new?{query}")
    assert "Pending, without attorney, oldest first." in form.text
    assert save(desk, "  Morning   round ", query) == 303
    page = get(desk, f"/internal/leads?{query}")
    assert current(page) == ["Morning round 1"]
    assert "Save this view" not in tabs(page)
    assert tabs(page)["Morning round 1"] == f"/internal/leads?{query}"
    # The same name again takes its place
    assert save(desk, "Morning round", "q=amara") == 303
    assert tabs(get(desk, "/internal/leads"))["Morning round"] == "/internal/leads?q=amara"
    assert value(app, "SELECT count(*) FROM saved_views") == 1


def test_a_personal_view_is_nobody_elses(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    save(desk, "Only mine", "status=PENDING")
    boss = other(app, "Ada Min", Role.ADMINISTRATOR)
    assert not any("Only mine" in label for label in tabs(get(boss, "/internal/leads")))
    assert boss.get("/internal/views/1", headers=HTML).status_code == 404
    assert post(boss, "/internal/views/1/delete").status_code == 404
    assert "There are none yet." in get(boss, "/internal/views").text


def test_a_shared_view_is_everyones_and_means_each_reader(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    save(desk, "My desk", "status=PENDING&assigned_to=me&sort=created_at", shared="1")
    viewer = other(app, "Vera View", Role.VIEWER)
    assert "My desk, shared 0" in tabs(get(viewer, "/internal/leads"))
    assert "Shared by Rosa Delgado" in get(viewer, "/internal/views").text
    assert post(viewer, "/internal/views/1/delete").status_code == 404
    assert post(other(app, "Dan Kim", Role.ATTORNEY), "/internal/views/1/delete").status_code == 404
    assert post(other(app, "Ada Min", Role.ADMINISTRATOR), "/internal/views/1/delete").status_code == 303
    assert value(app, "SELECT count(*) FROM saved_views") == 0


def test_a_viewer_keeps_views_but_shares_none(app: Flask, client: FlaskClient) -> None:
    viewer = other(app, "Vera View", Role.VIEWER)
    assert get(viewer, "/internal/views/new?status=PENDING").all("input", name="shared") == []
    assert save(viewer, "Waiting", "status=PENDING", shared="1") == 303
    assert value(app, "SELECT count(*) FROM saved_views WHERE shared") == 0
    assert post(viewer, "/internal/views/1/delete").status_code == 303


@pytest.mark.parametrize("name", ["", "   ", "x" * 61])
def test_a_name_that_cannot_be_used_is_said_at_the_field(desk: FlaskClient, name: str) -> None:
    data = {"csrf_token": csrf(desk, "/internal/leads"), "name": name, "query": "q=%22%3E%3Cscript%3E"}
    answer = desk.post("/internal/views", data=data, headers=HTML)
    assert answer.status_code == 422
    assert "Enter a name of 1 to 60 characters" in answer.get_data(as_text=True)
    assert "<script>" not in answer.get_data(as_text=True).replace("<script src", "")


def test_there_is_an_end_to_how_many(app: Flask, desk: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_service, "MAX_VIEWS", 2)
    assert [save(desk, name, "status=PENDING") for name in ("a", "b", "c", "a")] == [303, 303, 422, 303]


def test_what_is_no_list_is_not_saved(desk: FlaskClient) -> None:
    assert save(desk, "x", "colour=red") == 422
    assert desk.get("/internal/views/new?colour=red", headers=HTML).status_code == 422
    assert desk.get("/internal/views/1", headers=HTML).status_code == 404


def test_a_key_has_no_views(client: FlaskClient) -> None:
    assert client.get("/internal/views", headers={"X-API-Key": API_KEY}).status_code == 403


def test_an_attorney_who_is_gone_is_explained(app: Flask, desk: FlaskClient) -> None:
    add_person(app, "Hannah Weiss", role=Role.ATTORNEY)
    add_lead(app)
    save(desk, "Of Hannah", "status=PENDING&assigned_to=hannah.weiss%40alma.example")
    run(app, "UPDATE users SET active = FALSE WHERE name = 'Hannah Weiss'")
    page = get(desk, tabs(get(desk, "/internal/leads"))["Of Hannah 0"])
    assert "hannah.weiss@alma.example is no longer active" in page.text
    run(app, "UPDATE users SET email = 'hannah@elsewhere.example' WHERE name = 'Hannah Weiss'")
    assert tabs(get(desk, "/internal/leads"))["Of Hannah"] == "/internal/views/1"
    stale = get(desk, "/internal/views/1")
    assert "No attorney has the address hannah.weiss@alma.example any more." in stale.text
    assert stale.all("a", href="/internal/leads?status=PENDING")


def test_marking_a_row_counts_the_tabs_anew(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app)
    answer = post(desk, f"/internal/leads/{lead_id}/reached-out", part=f"lead-{lead_id}", next="/internal/leads")
    words = answer.get_data(as_text=True)
    assert 'id="views"' in words
    assert 'hx-swap-oob="true"' in words

"""The conflict check as people see it: found, not found, recorded, out of date; with a script and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from alma_leads.accounts.core.models import Role
from alma_leads.leads.core.models import Lead
from config import Settings
from tests.conftest import API_KEY
from tests.support.desk import HTML, Page, add_lead, add_person, get, post, sign_in, value
from tests.support.pages import StrictClient

PART = {**HTML, "HX-Request": "true", "HX-Target": "conflict"}


@pytest.fixture
def settings(make_settings: Callable[..., Settings], sqlite_url: str) -> Settings:
    """Return settings on SQLite alone: words and forms do not depend on the database."""
    return make_settings(DATABASE_URL=sqlite_url)


@pytest.fixture
def desk(app: Flask, client: StrictClient) -> StrictClient:
    """Return the browser of Ian, an attorney."""
    add_person(app, "Ian Park", role=Role.ATTORNEY)
    sign_in(client, "Ian Park")
    return client


def add(app: Flask, name: str, **changes: Any) -> str:
    """Submit a lead of somebody by name, and return the address of its page."""
    first, _, last = name.partition(" ")
    return f"/internal/leads/{add_lead(app, first_name=first, last_name=last, **changes)}"


def seen_on(page: Page) -> str:
    """Return which verdict a card shows."""
    return page.all("input", name="seen")[0].get("value") or ""


def test_the_page_of_a_lead_links_to_the_look_and_a_script_puts_it_in(app: Flask, desk: StrictClient) -> None:
    add(app, "Kirill Petrov")
    lead = add(app, "Кирилл Петров")
    page = get(desk, f"{lead}?status=PENDING")
    assert "Conflict check Not checked" in page.text
    link = f"{lead}/conflict?status=PENDING"
    assert [each.get("href") for each in page.all("a") if "/conflict" in (each.get("href") or "")] == [link]
    assert [each.get("hx-get") for each in page.all("p") if each.get("hx-get")] == [link]
    card = desk.get(link, headers=PART)
    assert card.get_data(as_text=True).lstrip().startswith("<section")
    assert "Kirill Petrov" in card.get_data(as_text=True)


def test_what_is_found_is_shown_with_why_and_a_way_back(app: Flask, desk: StrictClient) -> None:
    same = add(app, "Sai Maryada", email="one@firm.test")
    other = add(app, "Maryada Sai", email="two@firm.test")
    lead = add(app, "Sai Maryada", email="one@firm.test", resume_url="https://example.com/other")
    page = get(desk, f"{lead}/conflict?status=PENDING")
    assert "Same address 1 earlier lead of this prospect." in page.text
    assert "Also with a similar name or address" in page.text
    assert "two@firm.test. Pending, with the helpdesk. Received today." in page.text
    assert [each.text for each in page.all("span", class_="tag")] == ["Same name"]
    numbers = [link.rpartition("/")[2] for link in (same, other, lead)]
    links = [each.get("href") for each in page.all("a") if "from=" in (each.get("href") or "")]
    assert links == [f"/internal/leads/{number}?from={numbers[2]}&status=PENDING" for number in numbers[:2]]
    opened = get(desk, links[1])
    assert f'<a href="{lead}?status=PENDING" class="num">No. {numbers[2]}</a>' in opened.html
    answer = post(desk, f"{other}/notes", on=other, text="Seen", next=links[1])
    assert answer.headers["Location"] == links[1]


@pytest.mark.parametrize("origin", ["x", "", "99999999999999999999", "1;2"])
def test_an_origin_that_is_none_is_left_out(app: Flask, desk: StrictClient, origin: str) -> None:
    page = get(desk, f"{add(app, 'Ana Silva')}?from={origin}&status=PENDING")
    crumbs = [each.text for each in page.all("nav", aria_label="Breadcrumb")[0].iter() if each.get("href")]
    assert [text for text in crumbs if text] == ["Leads"]


def test_nothing_found_is_said(app: Flask, desk: StrictClient) -> None:
    add(app, "Ana Silva")
    page = get(desk, f"{add(app, 'Kirill Petrov')}/conflict")
    assert (
        "No earlier lead has a similar name or this address. All leads before No. 2 were looked through." in page.text
    )


def test_a_verdict_shows_on_the_lead_in_its_timeline_and_on_later_leads(app: Flask, desk: StrictClient) -> None:
    lead = add(app, "Ana Silva", email="ana@firm.test")
    answer = post(desk, f"{lead}/conflict", on=f"{lead}/conflict", verdict="conflict", note="Sues <us>", seen="")
    assert (answer.status_code, answer.headers["Location"]) == (303, lead)
    page = get(desk, lead)
    assert page.text.count("Conflict, by Ian Park, today") == 2  # at the button, and in the card
    assert "You checked for conflicts: conflict." in page.text
    assert [each.text for each in page.all("div", class_="note")] == ["Sues <us>"]
    assert "Conflict check: conflict." in page.text  # the toast
    later = get(desk, add(app, "Ana Silva", email="ana@firm.test", resume_url="https://example.com/2") + "/conflict")
    assert "Conflict check Not checked" in later.text
    assert "Conflict, by Ian Park, today" in later.text


def test_it_is_taken_back(app: Flask, desk: StrictClient) -> None:
    lead = add(app, "Ana Silva")
    check = f"{lead}/conflict"
    assert "Back to not checked" not in get(desk, check).text
    post(desk, check, on=check, verdict="clear", seen="")
    page = get(desk, check)
    assert "Clear, by Ian Park" in page.text
    post(desk, check, on=check, verdict="unchecked", seen=seen_on(page))
    assert "Not checked, by Ian Park" in get(desk, check).text
    assert "You took the conflict check back: not checked." in get(desk, lead).text


def test_a_script_gets_card_head_timeline_and_toast(app: Flask, desk: StrictClient) -> None:
    lead = add(app, "Ana Silva")
    answer = post(desk, f"{lead}/conflict", on=f"{lead}/conflict", part="conflict", verdict="conflict", seen="")
    html = answer.get_data(as_text=True)
    assert html.lstrip().startswith("<section")
    assert 'id="lead-head" hx-swap-oob="true"' in html
    assert 'id="timeline" hx-swap-oob="true"' in html
    assert "Conflict check: conflict." in html


@pytest.mark.parametrize("part", ["", "conflict"])
def test_a_page_that_is_out_of_date_replaces_nothing_and_keeps_what_was_typed(
    app: Flask, desk: StrictClient, part: str
) -> None:
    lead = add(app, "Ana Silva")
    check = f"{lead}/conflict"
    colleague = app.test_client()
    add_person(app, "Rosa Delgado")
    sign_in(colleague, "Rosa Delgado")
    post(colleague, check, on=check, verdict="conflict", seen="")
    answer = post(desk, check, on=check, part=part, verdict="clear", note="Nobody we know", seen="")
    html = answer.get_data(as_text=True)
    assert answer.status_code == (200 if part else 409)
    assert "Nothing was changed: Rosa Delgado recorded something else since this page was opened." in html
    assert "Conflict, by Rosa Delgado" in html
    assert "Nobody we know</textarea>" in html
    assert value(app, select(Lead.conflict)) == "conflict"


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"verdict": "clear", "note": "x" * 1001}, "Keep the note to 1000 characters"), ({"verdict": "maybe"}, "check")],
)
def test_what_cannot_be_recorded_is_refused(app: Flask, desk: StrictClient, fields: dict[str, str], words: str) -> None:
    check = f"{add(app, 'Ana Silva')}/conflict"
    answer = post(desk, check, on=check, seen="", **fields)
    assert answer.status_code == 422
    assert words in answer.get_data(as_text=True)
    assert value(app, select(Lead.conflict)) == "unchecked"


def test_who_only_reads_sees_and_says_nothing(app: Flask, client: StrictClient) -> None:
    add_person(app, "Vera Viewer", role=Role.VIEWER)
    sign_in(client, "Vera Viewer")
    check = f"{add(app, 'Ana Silva')}/conflict"
    assert get(client, check).all("form", action=check) == []
    assert post(client, check, on="/internal/account", verdict="clear", seen="").status_code == 403


def test_it_is_no_page_for_programs(app: Flask, client: StrictClient) -> None:
    check = f"{add(app, 'Ana Silva')}/conflict"
    assert client.get(check, headers={"X-API-Key": API_KEY}).status_code == 403


def test_no_lead_no_check(desk: StrictClient) -> None:
    assert desk.get("/internal/leads/7/conflict", headers=HTML).status_code == 404


def test_the_list_marks_leads_in_conflict_and_shows_them_alone(app: Flask, desk: StrictClient) -> None:
    lead = add(app, "Ana Silva")
    post(desk, f"{lead}/conflict", on=f"{lead}/conflict", verdict="conflict", seen="")
    cleared = add(app, "Kirill Petrov")
    post(desk, f"{cleared}/conflict", on=f"{cleared}/conflict", verdict="clear", seen="")
    page = get(desk, "/internal/leads")
    assert page.names() == ["Kirill Petrov", "Ana Silva"]
    assert [each.text for each in page.all("span", class_="tag")] == ["Conflict"]
    assert get(desk, "/internal/leads?conflict=conflict").names() == ["Ana Silva"]
    assert "No lead of yours in conflict" in get(desk, "/internal/leads?conflict=conflict&assigned_to=me").text
    assert [each["id"] for each in desk.get("/internal/leads?conflict=conflict").json or []] == [1]
    assert desk.get("/internal/leads?conflict=clear").status_code == 422

"""The desk's list over HTTP: what it shows, filters, pages, and what hostile words do in it (nothing)."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.accounts.core.models import Role
from alma_leads.common.actor import SYSTEM
from alma_leads.leads.assignments.assignment_service import assign
from alma_leads.web.internal.lead_list import list_filter
from tests.support.desk import HTML, Page, add_lead, add_person, get, run, sign_in, value


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an administrator."""
    add_person(app)
    sign_in(client)
    return client


def assign_to_rosa(app: Flask, lead_id: int) -> None:
    email = value(app, "SELECT email FROM leads WHERE id = :id", id=lead_id)
    with app.app_context():
        assign(email, attorney_email="rosa.delgado@alma.example", actor=SYSTEM)


def test_an_empty_desk_says_what_will_be_here(desk: FlaskClient) -> None:
    page = get(desk, "/internal/leads")
    assert "No leads yet" in page.text
    assert page.names() == []
    assert not page.all("form", role="search")


def test_shows_leads_newest_first_with_age_delivery_and_button(app: Flask, desk: FlaskClient) -> None:
    add_lead(app, first_name="Old", last_name="One", days_ago=5.1)
    add_lead(app, first_name="Late", last_name="Two", days_ago=3.1)
    new = add_lead(app, first_name="New", last_name="Three")
    page = get(desk, "/internal/leads")
    assert page.names() == ["New Three", "Late Two", "Old One"]
    assert [
        (span.text, span.get("class")) for span in page.all("span") if (span.get("class") or "").startswith("late")
    ][-2:] == [
        ("waiting 3 days", "late1"),
        ("waiting 5 days", "late2"),
    ]
    assert "3 pending." in page.text
    assert "2 wait three days or more" in page.text
    assert len(page.all("button", class_="mark")) == 3
    assert page.all("button", formaction=f"/internal/leads/{new}/reached-out")
    assert page.text.count("Queued") == 3
    assert page.text.count("Unassigned") == 6, "three rows, two tabs, one choice"


def test_a_reached_lead_is_quiet(app: Flask, desk: FlaskClient) -> None:
    lead_id = add_lead(app, days_ago=1)
    run(
        app,
        "UPDATE leads SET status = 'REACHED_OUT', reached_out_at = created_at, reached_out_by = 'Daniel Kim'"
        " WHERE id = :id",
        id=lead_id,
    )
    page = get(desk, "/internal/leads")
    assert "by D. Kim, in 1 min" in page.text
    assert page.all("button", class_="mark") == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=PENDING", ["Fresh Lead", "Mine Lead", "Late Lead"]),
        ("status=REACHED_OUT", ["Done Lead"]),
        ("q=fre", ["Fresh Lead"]),
        ("q=LEAD&status=REACHED_OUT", ["Done Lead"]),
        ("assigned_to=me", ["Mine Lead"]),
        ("assigned_to=rosa.delgado@alma.example", ["Mine Lead"]),
        ("assigned_to=none&status=PENDING", ["Fresh Lead", "Late Lead"]),
        ("older=3d", ["Late Lead"]),
        ("received=7d", ["Fresh Lead", "Mine Lead", "Late Lead"]),
        ("received=30d", ["Fresh Lead", "Mine Lead", "Late Lead", "Done Lead"]),
        ("received=late", ["Late Lead", "Done Lead"]),
        ("sort=created_at", ["Done Lead", "Late Lead", "Mine Lead", "Fresh Lead"]),
        ("q=&status=&assigned_to=&received=&created_from=2001-01-01&created_to=2001-01-02", 4),
        ("received=dates&created_from=2001-01-01&created_to=2001-01-02", []),
        ("created_to=2001-01-02", []),
    ],
)
def test_filters(app: Flask, desk: FlaskClient, query: str, names: list[str] | int) -> None:
    done = add_lead(app, first_name="Done", last_name="Lead", days_ago=20)
    run(
        app,
        "UPDATE leads SET status = 'REACHED_OUT', reached_out_at = created_at, reached_out_by = 'X' WHERE id = :id",
        id=done,
    )
    add_lead(app, first_name="Late", last_name="Lead", days_ago=4)
    assign_to_rosa(app, add_lead(app, first_name="Mine", last_name="Lead", days_ago=1))
    add_lead(app, first_name="Fresh", last_name="Lead")
    found = get(desk, f"/internal/leads?{query}").names()
    assert (len(found) if isinstance(names, int) else found) == names


def test_what_is_chosen_stays_chosen(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    page = get(desk, "/internal/leads?older=3d&q=%22x")
    chosen = {option.get("value") for option in page.all("option") if option.get("selected") is not None}
    assert chosen == {"PENDING", "", "late"}
    assert page.all("input", id="q")[0].get("value") == '"x'


def test_no_result_says_which_filter_hides_what(app: Flask, desk: FlaskClient) -> None:
    add_lead(app, first_name="Katarzyna", last_name="Nowak")
    page = get(desk, "/internal/leads?q=katarzyna&status=REACHED_OUT&assigned_to=me")
    assert "No reached-out lead of yours matches “katarzyna”" in page.text
    assert "One lead matches without the filters." in page.text
    assert page.all("a", href="/internal/leads?q=katarzyna")
    assert get(desk, "/internal/leads?q=katarzyna").names() == ["Katarzyna Nowak"]


@pytest.mark.parametrize(
    "query",
    ["colour=red", "status=DONE", "received=8d", "older=2d", "cursor=x", "assigned_to=nobody", "sort=id"],
)
def test_what_cannot_be_used_is_a_422_page(desk: FlaskClient, query: str) -> None:
    answer = desk.get(f"/internal/leads?{query}", headers=HTML)
    assert answer.status_code == 422
    assert answer.mimetype == "text/html"


def test_pages_there_and_back(app: Flask, desk: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_filter, "PAGE_ROWS", 2)
    for number in range(5):
        add_lead(app, first_name="Lead", last_name=f"No{number}")
    first = get(desk, "/internal/leads")
    second = get(desk, first.link("next"))
    third = get(desk, second.link("next"))
    seen = [*first.names(), *second.names(), *third.names()]
    assert seen == [f"Lead No{number}" for number in (4, 3, 2, 1, 0)]
    assert third.all("a", rel="next") == []
    back = get(desk, third.link("prev"))
    assert back.names() == second.names()
    assert get(desk, back.link("prev")).names() == first.names()
    assert first.all("a", rel="prev") == []


def test_paging_and_sorting_keep_the_filter(app: Flask, desk: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_filter, "PAGE_ROWS", 1)
    for number in range(3):
        add_lead(app, first_name="Lead", last_name=f"No{number}")
    page = get(desk, "/internal/leads?status=PENDING&sort=last_name")
    assert "status=PENDING" in page.link("next")
    assert "sort=last_name" in page.link("next")
    assert page.names() == ["Lead No0"]
    assert [th.get("aria-sort") for th in page.all("th") if th.get("aria-sort")] == ["ascending"]
    assert page.all("a", class_="name")[0].get("href", "").endswith("?status=PENDING&sort=last_name")


@pytest.mark.parametrize(
    ("query", "kept", "words"),
    [
        ("sort=email&status=PENDING", "status=PENDING", "Lists can’t be sorted by email any more."),
        ("sort=-email&cursor=anything", "", "Lists can’t be sorted by email any more."),
        ("limit=20&sort=last_name", "sort=last_name", "The number of leads on a page can’t be chosen any more."),
    ],
)
def test_an_address_of_an_earlier_release_shows_the_list_and_a_notice(
    app: Flask, desk: FlaskClient, query: str, kept: str, words: str
) -> None:
    lead_id = add_lead(app, first_name="Ana", last_name="Lima")
    page = get(desk, f"/internal/leads?{query}")
    assert page.names() == ["Ana Lima"]
    assert words in page.text
    assert page.all("a", class_="name")[0].get("href") == f"/internal/leads/{lead_id}" + (f"?{kept}" if kept else "")


HOSTILE = "\"><script>alert(1)</script><b x='{{ 7*7 }}%s%(id)s"


def test_hostile_words_are_only_words(app: Flask, client: FlaskClient) -> None:
    add_person(app, HOSTILE.replace("@", ""))
    run(app, "UPDATE users SET email = 'rosa.delgado@alma.example'")
    sign_in(client)
    lead_id = add_lead(
        app,
        first_name=HOSTILE,
        last_name="<img src=x onerror=alert(1)>",
        email="a'b+{{7*7}}%25<@example.com".replace("<", ""),
        resume_url="https://example.com/?a=%22%3E<script>",
    )
    assign_to_rosa(app, lead_id)
    run(app, "UPDATE leads SET status = 'REACHED_OUT', reached_out_at = created_at, reached_out_by = :x", x=HOSTILE)
    for address in ("/internal/leads", f"/internal/leads/{lead_id}?q=%22%3E%3Cscript%3E", "/internal/outbox"):
        page = get(client, address)
        assert all(script.get("src", "").startswith("/static/") for script in page.all("script"))
        assert page.all("img") == []
        assert f"{HOSTILE} <img src=x onerror=alert(1)>" in page.text
        assert not [name for element in page.root.iter() for name in element.attrib if name.startswith("on")]


def test_search_words_are_only_words(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    page = get(desk, "/internal/leads?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert 'matches “"><script>alert(1)</script>”' in page.text


def test_nothing_in_the_page_needs_a_relaxed_policy(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    for address in ("/internal/leads", "/internal/leads/1", "/internal/outbox", "/internal/settings/assignments"):
        page = get(desk, address)
        assert " style=" not in page.html
        assert "<style" not in page.html
        assert "hx-on" not in page.html
        assert "no-store" in page.response.headers["Cache-Control"]


def test_a_script_gets_only_the_list(app: Flask, desk: FlaskClient) -> None:
    add_lead(app, first_name="Ana", last_name="Lima")
    part = desk.get(
        "/internal/leads?q=&status=PENDING&received=", headers={**HTML, "HX-Request": "true", "HX-Target": "list"}
    )
    words = part.get_data(as_text=True)
    assert words.lstrip().startswith('<section id="list"')
    assert "Ana Lima" in words
    assert "<html" not in words
    assert part.headers["HX-Push-Url"] == "/internal/leads?status=PENDING"
    assert "HX-Request" in part.headers["Vary"]
    restored = {**HTML, "HX-Request": "true", "HX-Target": "list", "HX-History-Restore-Request": "true"}
    assert "<html" in desk.get("/internal/leads", headers=restored).get_data(as_text=True)


def test_a_viewer_reads_and_changes_nothing(app: Flask, client: FlaskClient) -> None:
    add_person(app, "Vera View", role=Role.VIEWER)
    sign_in(client, "Vera View")
    lead_id = add_lead(app)
    page = get(client, "/internal/leads")
    assert len(page.names()) == 1
    assert page.all("button", class_="mark") == []
    assert page.all("input", type="checkbox", name="id") == []
    assert page.all("details", id="export") == []
    lead = get(client, f"/internal/leads/{lead_id}")
    assert lead.all("textarea") == []
    assert not [form for form in lead.all("form") if f"/internal/leads/{lead_id}" in (form.get("action") or "")]


def test_dates_are_the_readers(app: Flask, client: FlaskClient) -> None:
    add_person(app, time_zone="Pacific/Kiritimati")  # UTC+14
    sign_in(client)
    lead_id = add_lead(app)
    run(app, "UPDATE leads SET created_at = '2020-05-05T23:30:00.000000Z' WHERE id = :id", id=lead_id)
    assert "6 May 2020, 13:30" in get(client, "/internal/leads").text
    assert get(client, "/internal/leads?created_from=2020-05-06&created_to=2020-05-06").names()
    assert not get(client, "/internal/leads?created_from=2020-05-05&created_to=2020-05-05").names()


def test_counts_in_the_frame(app: Flask, desk: FlaskClient) -> None:
    assign_to_rosa(app, add_lead(app))
    add_lead(app, days_ago=4)
    page = get(desk, "/internal/leads?status=REACHED_OUT")
    assert isinstance(page, Page)
    shown = {
        name: "".join(page.all("span", id=f"n-{name}")[0].itertext()) for name in ("pending", "mine", "unassigned")
    }
    assert shown == {"pending": "2", "mine": "1", "unassigned": "1"}
    (late,) = page.all("a", href="/internal/leads?older=3d")
    assert " ".join((late.text or "").split()) == "1 waits three days or more"

"""Notes: changed and deleted by their author alone, never over newer words, and nothing of their history is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select

from alma_leads.accounts.core.models import Role, User
from alma_leads.common.actor import Actor
from alma_leads.leads.core.errors import NoteChanged
from alma_leads.leads.core.models import Lead, LeadEvent
from alma_leads.leads.notes.note_service import edit_note
from tests.support.desk import HTML, Page, add_lead, add_person, count, get, post, sign_in, value
from tests.support.pages import StrictClient


@pytest.fixture
def lead(app: Flask, client: StrictClient) -> str:
    """Return the page of a lead on which Ian has written a note; he is signed in."""
    add_person(app, "Ian Park", role=Role.ATTORNEY)
    sign_in(client, "Ian Park")
    page = f"/internal/leads/{add_lead(app)}"
    post(client, f"{page}/notes", on=page, text="Called, no answer")
    return page


@pytest.fixture
def note(app: Flask, lead: str) -> str:
    """Return the address of that note."""
    number = value(app, select(func.max(LeadEvent.id)).where(LeadEvent.kind == "note"))
    return f"{lead}/notes/{number}"


def colleague(app: Flask, name: str = "Rosa Delgado", role: Role = Role.ADMINISTRATOR) -> StrictClient:
    """Return the browser of somebody else."""
    add_person(app, name, role=role)
    client = app.test_client()
    assert isinstance(client, StrictClient)
    sign_in(client, name)
    return client


def seen_on(client: StrictClient, note: str) -> str:
    """Open the page of a note, and return which version it shows."""
    return get(client, note).all("input", name="seen")[0].get("value") or ""


def test_the_author_changes_a_note_and_its_history_stays(client: StrictClient, lead: str, note: str) -> None:
    shown = get(client, lead)
    assert [link.get("href") for link in shown.all("a") if "/notes/" in (link.get("href") or "")] == [note]
    first = seen_on(client, note)
    answer = post(client, note, on=note, text="Called, asks for Friday", seen=first, next=f"{lead}?status=PENDING")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{lead}?status=PENDING")
    page = get(client, lead)
    notes = ["".join(part.itertext()) for part in page.all("div", class_="note")]
    assert notes == ["Called, asks for Friday", "Called, no answer"]
    assert page.text.count("You wrote a note.") == 1
    assert "What it said before" in page.text


def test_saving_the_same_words_is_no_change(app: Flask, client: StrictClient, lead: str, note: str) -> None:
    assert post(client, note, on=note, text="Called, no answer ", seen="0").status_code == 303
    assert count(app, LeadEvent, LeadEvent.kind == "note_edited") == 0


def test_a_page_that_is_out_of_date_never_replaces_newer_words(
    app: Flask, client: StrictClient, lead: str, note: str
) -> None:
    stale = seen_on(client, note)
    post(client, note, on=note, text="Written in another window", seen=stale)
    answer = post(client, note, on=note, text="Typed in the old one", seen=stale)
    assert answer.status_code == 409
    words = answer.get_data(as_text=True)
    assert "changed in another window" in words
    assert "Written in another window" in words
    assert "Typed in the old one</textarea>" in words  # nothing that was typed is lost
    assert get(client, lead).html.count("Typed in the old one") == 0
    answer.status_code = 200
    now = Page(answer).all("input", name="seen")[0].get("value")
    assert post(client, note, on=note, text="Both: Friday", seen=now).status_code == 303


def test_of_two_windows_that_save_at_once_one_does(app: Flask, client: StrictClient, lead: str, note: str) -> None:
    seen, author = int(seen_on(client, note)), value(app, select(User.id))

    def save(number: int) -> bool:
        with app.app_context():
            try:
                edit_note(
                    1,
                    int(note.split("/")[-1]),
                    text=f"{number}",
                    expected_version=seen,
                    actor=Actor("user", author, "Ian"),
                )
            except NoteChanged:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(save, range(4))) == 1


def test_the_author_deletes_a_note_and_an_administrator_can_read_what_it_said(
    app: Flask, client: StrictClient, lead: str, note: str
) -> None:
    seen = seen_on(client, note)
    assert post(client, f"{note}/delete", on=note, next=lead).headers["Location"] == lead
    page = get(client, lead)
    assert "You wrote a note, and deleted it today" in page.text
    assert "Called, no answer" not in page.html
    assert "Called, no answer" in get(colleague(app), lead).html
    for address, fields in ((note, {"text": "x", "seen": seen}), (f"{note}/delete", {})):
        assert post(client, address, on=lead, **fields).status_code == 404
    assert client.get(note, headers=HTML).status_code == 404


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ATTORNEY])
def test_nobody_changes_the_note_of_another(app: Flask, lead: str, note: str, role: Role) -> None:
    other = colleague(app, role=role)
    assert "/notes/" not in get(other, lead).html.replace(f'"{lead}/notes"', "")
    assert other.get(note, headers=HTML).status_code == 403
    for address in (note, f"{note}/delete"):
        assert post(other, address, on=lead, text="x", seen=note.split("/")[-1]).status_code == 403
    assert count(app, LeadEvent, LeadEvent.kind.startswith("note")) == 1


def test_a_note_belongs_to_its_lead(app: Flask, client: StrictClient, lead: str, note: str) -> None:
    another = add_lead(app)
    number = note.split("/")[-1]
    assert client.get(f"/internal/leads/{another}/notes/{number}", headers=HTML).status_code == 404
    submitted = value(app, select(func.min(LeadEvent.id)))
    assert client.get(f"{lead}/notes/{submitted}", headers=HTML).status_code == 404


@pytest.mark.parametrize("text", ["", "  ", "x" * 4001])
def test_a_changed_note_needs_words_and_an_end(client: StrictClient, note: str, text: str) -> None:
    answer = post(client, note, on=note, text=text, seen=seen_on(client, note))
    assert answer.status_code == 422
    assert "Write a note of 1 to 4000 characters" in answer.get_data(as_text=True)


def test_the_log_holds_every_word_for_administrators(app: Flask, client: StrictClient, lead: str, note: str) -> None:
    def said(reader: StrictClient) -> list[tuple[str, str]]:
        log = reader.get(f"{lead}/events").json
        return [(event["type"], event["data"].get("text")) for event in log if event["type"].startswith("note")]

    post(client, note, on=note, text="Second", seen=seen_on(client, note))
    assert said(client) == [("note_edited", "Second"), ("note", "Called, no answer")]
    post(client, f"{note}/delete", on=note)
    assert said(colleague(app)) == [("note_deleted", None), ("note_edited", "Second"), ("note", "Called, no answer")]
    assert said(client) == [("note_deleted", None), ("note_edited", None), ("note", None)]


def test_a_stale_page_gives_no_prospect_away(app: Flask, client: StrictClient, lead: str) -> None:
    add_person(app, "Hannah Weiss", role=Role.ATTORNEY)
    hannah, ian = "hannah.weiss@alma.example", "ian.park@alma.example"
    assert get(client, lead).all("input", name="seen")[0].get("value") == ""
    post(client, f"{lead}/assign", on=lead, attorney=hannah, seen="")
    late = post(client, f"{lead}/assign", on=lead, attorney=ian, seen="", next=lead)
    assert late.status_code == 303
    assert "Nothing was changed: a colleague was faster" in get(client, lead).text
    assert value(app, select(User.email).join(Lead, Lead.attorney_id == User.id)) == hannah
    # Whoever chose the same as the colleague gets what was asked for.
    post(client, f"{lead}/assign", on=lead, attorney=hannah, seen="")
    assert "is with Hannah Weiss" in get(client, lead).text
    post(client, f"{lead}/assign", on=lead, attorney="", seen=ian)
    assert "Nothing was changed" in get(client, lead).text
    post(client, f"{lead}/assign", on=lead, attorney="", seen=hannah)
    assert "is with the helpdesk" in get(client, lead).text

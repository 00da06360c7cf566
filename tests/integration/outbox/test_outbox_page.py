"""The outbox over HTTP: for people with the server's words and "Send again", for programs as an array."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.accounts.core.models import Role
from tests.conftest import API_KEY
from tests.support.desk import HTML, add_lead, add_person, get, post, run, sign_in, value

KEY = {"X-API-Key": API_KEY}
WORDS = "550 5.1.1 <b>No such user</b> here"


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an administrator."""
    add_person(app)
    sign_in(client)
    return client


def make(
    app: Flask, state: str, *, kind: str = "lead_confirmation", attempts: int = 1, words: str | None = None
) -> Any:
    """Put the message of one kind into a state, and return its number."""
    number = value(app, "SELECT max(id) FROM outbox_messages WHERE kind = :kind", kind=kind)
    settled = "NULL" if state == "queued" else "created_at"
    run(
        app,
        f"UPDATE outbox_messages SET state = :state, attempts = :attempts, last_error = :words, settled_at = {settled}"
        " WHERE id = :id",
        state=state,
        attempts=attempts,
        words=words,
        id=number,
    )
    return number


def state_of(app: Flask, number: int) -> Any:
    return value(app, "SELECT state FROM outbox_messages WHERE id = :id", id=number)


def test_an_empty_outbox_says_what_will_be_here(desk: FlaskClient) -> None:
    assert "No emails yet" in get(desk, "/internal/outbox").text
    assert "No dead letters" in get(desk, "/internal/outbox?state=dead").text


def test_shows_dead_letters_with_the_servers_words(app: Flask, desk: FlaskClient) -> None:
    add_lead(app, first_name="Олена", last_name="Шевченко", email="olena@example.com")
    make(app, "dead", words=WORDS)
    make(app, "queued", kind="lead_notification", attempts=3, words="451 later")
    page = get(desk, "/internal/outbox")
    assert "Confirmation to olena@example.com" in page.text
    assert "after 1 try" in page.text
    assert WORDS in page.text
    assert "Check the address before you send it again." in page.text
    assert "Retrying" in page.text
    assert page.text.count("Олена Шевченко") == 2
    assert "1 email waits for a mail server." in page.text


def test_send_again_queues_it_from_the_first_try(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    dead = make(app, "dead", attempts=10, words=WORDS)
    answer = post(desk, f"/internal/outbox/{dead}/send", on="/internal/outbox")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/internal/outbox")
    assert state_of(app, dead) == "queued"
    assert value(app, "SELECT attempts FROM outbox_messages WHERE id = :id", id=dead) == 0
    assert "goes out again." in get(desk, "/internal/outbox").text
    assert post(desk, "/internal/outbox/999/send", on="/internal/leads/1").status_code == 404


def test_a_script_gets_the_message_in_place(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    dead = make(app, "dead", words=WORDS)
    answer = post(desk, f"/internal/outbox/{dead}/send", on="/internal/outbox", part=f"msg-{dead}")
    words = answer.get_data(as_text=True)
    assert words.lstrip().startswith(f'<div class="dl" id="msg-{dead}">')
    assert "Queued" in words
    assert '<div hx-swap-oob="innerHTML:#toasts">' in words
    later = desk.get(f"/internal/outbox/{dead}", headers={**HTML, "HX-Request": "true", "HX-Target": f"msg-{dead}"})
    assert "Queued" in later.get_data(as_text=True)


def test_send_all_dead_letters_again(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    dead = [make(app, "dead", words=WORDS), make(app, "dead", kind="lead_notification", words="421 bye")]
    assert "Send both again" in get(desk, "/internal/outbox").text
    assert post(desk, "/internal/outbox/send-dead", on="/internal/outbox").status_code == 303
    assert [state_of(app, number) for number in dead] == ["queued", "queued"]


def test_who_may_not_manage_sees_no_button_and_is_refused(app: Flask, client: FlaskClient) -> None:
    add_person(app, "Daniel Kim", role=Role.ATTORNEY)
    sign_in(client, "Daniel Kim")
    lead_id = add_lead(app)
    dead = make(app, "dead", words=WORDS)
    assert "Send again" not in get(client, "/internal/outbox").text
    assert "Send again" in get(client, f"/internal/leads/{lead_id}").text  # who works a lead may do that much
    assert post(client, f"/internal/outbox/{dead}/send").status_code == 403
    assert post(client, "/internal/outbox/send-dead").status_code == 403
    assert state_of(app, dead) == "dead"


def test_without_a_token_nothing_is_sent(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    dead = make(app, "dead", words=WORDS)
    assert desk.post(f"/internal/outbox/{dead}/send", headers=HTML).status_code == 400
    assert state_of(app, dead) == "dead"


def test_a_program_gets_what_is_open_without_bodies(app: Flask, client: FlaskClient) -> None:
    add_lead(app, email="olena@example.com")
    dead = make(app, "dead", words=WORDS)
    make(app, "sent", kind="lead_notification")
    found = client.get("/internal/outbox", headers=KEY).json
    assert [(row["id"], row["state"], row["recipient"], row["last_error"]) for row in found] == [
        (dead, "dead", "olena@example.com", WORDS)
    ]
    assert found[0]["subject"] == "We have your details"
    assert not {"facts", "text_body", "html_body", "lease"} & set(found[0])
    assert len(client.get("/internal/outbox?state=sent", headers=KEY).json) == 1
    assert client.get(f"/internal/outbox/{dead}", headers=KEY).json == found[0]
    again = client.post(f"/internal/outbox/{dead}/send", headers=KEY)
    assert (again.status_code, again.json["state"]) == (200, "queued")
    assert client.post("/internal/outbox/send-dead", headers=KEY).json == {"count": 0}


def test_programs_page_by_links(app: Flask, client: FlaskClient) -> None:
    for _ in range(2):
        add_lead(app)
    first = client.get("/internal/outbox?limit=3", headers=KEY)
    assert len(first.json) == 3
    address = first.headers["Link"].partition("<")[2].partition(">")[0]
    second = client.get(address, headers=KEY)
    assert len(second.json) == 1
    assert "Link" not in second.headers
    assert not {row["id"] for row in first.json} & {row["id"] for row in second.json}


@pytest.mark.parametrize("query", ["state=gone", "limit=0", "limit=1001", "before=x", "colour=red", "before=-1"])
def test_what_cannot_be_used_is_refused(app: Flask, client: FlaskClient, query: str) -> None:
    answer = client.get(f"/internal/outbox?{query}", headers=KEY)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == query.partition("=")[0]

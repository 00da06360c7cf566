"""What a list that lies open asks: how many leads came since, without keeping its session alive."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.database.base import to_stamp, utc_now
from tests.conftest import API_KEY
from tests.support.desk import add_lead, add_person, get, run, sign_in, value


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client who is signed in as an administrator."""
    add_person(app)
    sign_in(client)
    return client


def question(client: FlaskClient, address: str) -> str:
    """Return what the page at `address` asks once a minute."""
    [line] = get(client, address).all("p", id="fresh")
    return line.get("data-ask") or ""


def test_counts_what_came_since_the_page_was_made(app: Flask, desk: FlaskClient) -> None:
    add_lead(app)
    ask = question(desk, "/internal/leads")
    assert desk.get(ask).json == {"count": 0, "more": False}
    add_lead(app)
    add_lead(app)
    assert desk.get(ask).json == {"count": 2, "more": False}
    assert desk.get(question(desk, "/internal/leads")).json == {"count": 0, "more": False}


def test_counts_only_what_the_list_would_show(app: Flask, desk: FlaskClient) -> None:
    questions = {
        query: question(desk, f"/internal/leads?{query}")
        for query in (
            "q=OKÁ",
            "status=PENDING&sort=last_name",
            "assigned_to=me",
            "status=REACHED_OUT",
            "received=7d",
            "overdue=true",
            "returning=true",
            "mail=trouble",
            "conflict=conflict",
            "assigned_to=none&overdue=true",
        )
    }
    add_lead(app, first_name="Amara", last_name="Okafor")
    add_lead(app, first_name="Percent", last_name="O%a")
    counts = {query: (desk.get(ask).json or {})["count"] for query, ask in questions.items()}
    assert counts == {
        "q=OKÁ": 1,
        "status=PENDING&sort=last_name": 2,
        "assigned_to=me": 0,
        "status=REACHED_OUT": 0,
        "received=7d": 2,
        "overdue=true": 0,
        "returning=true": 0,
        "mail=trouble": 0,
        "conflict=conflict": 0,
        "assigned_to=none&overdue=true": 0,
    }


def test_stops_counting_at_a_hundred(app: Flask, desk: FlaskClient) -> None:
    for _ in range(101):
        add_lead(app)
    assert desk.get("/internal/leads/new?after=0").json == {"count": 100, "more": True}


def test_asking_does_not_keep_the_session_alive(app: Flask, desk: FlaskClient) -> None:
    an_hour_ago = to_stamp(utc_now() - timedelta(minutes=59))
    run(app, "UPDATE user_sessions SET last_seen_at = :at", at=an_hour_ago)
    assert desk.get("/internal/leads/new?after=0").status_code == 200
    seen = "SELECT count(*) FROM user_sessions WHERE last_seen_at = :at"
    assert value(app, seen, at=an_hour_ago) == 1
    get(desk, "/internal/leads")
    assert value(app, seen, at=an_hour_ago) == 0


def test_says_when_the_session_has_ended(app: Flask, desk: FlaskClient) -> None:
    run(app, "DELETE FROM user_sessions")
    assert desk.get("/internal/leads/new?after=0", headers={"Accept": "application/json"}).status_code == 401


@pytest.mark.parametrize("query", ["", "after=x", "after=-1", "after=1&after=2&colour=red", f"after={9**30}"])
def test_what_cannot_be_used_is_refused(desk: FlaskClient, query: str) -> None:
    assert desk.get(f"/internal/leads/new?{query}").status_code == 422


def test_a_key_may_ask_too(app: Flask, client: FlaskClient) -> None:
    add_lead(app)
    answer = client.get("/internal/leads/new?after=0&assigned_to=me", headers={"X-API-Key": API_KEY})
    assert answer.json == {"count": 0, "more": False}

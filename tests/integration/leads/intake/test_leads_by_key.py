"""`POST /public/leads` with a key: who may, whose limit counts, and where a lead is said to have come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from alma_leads.accounts.core.permissions import Scope
from alma_leads.common.extensions import db
from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.models import Lead, LeadEvent
from config import Settings
from tests.support.desk import add_person, count, get, run, sign_in, token
from tests.support.factories import lead_body
from tests.support.keys import new_key

OTHER_SCOPES = tuple(scope for scope in Scope if scope is not Scope.CREATE)


def send(client: FlaskClient, key: str | None, *, address: str = "192.0.2.1", **headers: str) -> Any:
    """Send a lead."""
    if key is not None:
        headers["X-API-Key"] = key
    names = {name.replace("_", "-"): each for name, each in headers.items()}
    return client.post("/public/leads", json=lead_body(), headers=names, environ_overrides={"REMOTE_ADDR": address})


def test_a_key_needs_its_scope(app: Flask, client: FlaskClient) -> None:
    assert send(client, new_key(app, "may", Scope.CREATE)).status_code == 201
    refused = send(client, new_key(app, "may not", *OTHER_SCOPES))
    assert (refused.status_code, refused.content_type) == (403, "application/problem+json")
    assert "no scope" in refused.json["detail"]
    assert count(app, Lead) == 1


@pytest.mark.parametrize("key", ["", "wrong", "alma_wrong"])
def test_a_wrong_key_is_not_taken_for_none(app: Flask, client: FlaskClient, key: str) -> None:
    refused = send(client, key)
    assert refused.status_code == 401
    assert "ApiKey" in refused.headers["WWW-Authenticate"]
    assert count(app, Lead) == 0


def test_where_a_lead_came_from_is_kept(app: Flask, client: FlaskClient) -> None:
    static = app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value()
    form = {**lead_body(), "csrf_token": token(client.get("/", headers={"Accept": "text/html"}))}
    assert client.post("/", data=form).status_code == 303
    assert send(client, None).status_code == 201
    assert send(client, new_key(app)).status_code == 201
    assert send(client, static).status_code == 201
    with app.app_context():
        kept = [(lead.source, lead.source_key_id) for lead in db.session.scalars(select(Lead).order_by(Lead.id))]
    assert kept == [("form", None), ("api", None), ("key", 1), ("key", None)]


def test_the_timeline_says_where_a_lead_came_from(app: Flask, client: FlaskClient) -> None:
    send(client, None)
    send(client, new_key(app))
    send(client, app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value())
    run(app, update(Lead).where(Lead.id == 1).values(source=None, source_key_id=None))  # the event log says it too
    add_person(app)
    sign_in(client)
    assert "This lead came in through the API, without a key." in get(client, "/internal/leads/1").text
    assert "script: website-import sent this lead in." in get(client, "/internal/leads/2").text
    assert "INTERNAL_API_KEY sent this lead in." in get(client, "/internal/leads/3").text


def test_the_event_names_the_key_and_its_address(app: Flask, client: FlaskClient) -> None:
    send(client, new_key(app), address="198.51.100.7")
    with app.app_context():
        event = db.session.scalars(select(LeadEvent).where(LeadEvent.kind == EventKind.SUBMITTED)).one()
    found = (event.actor_kind, event.actor_id, event.actor_name, event.actor_address)
    assert found == ("key", 1, "script: website-import", "198.51.100.7")


def test_two_keys_may_use_one_idempotency_key(app: Flask, client: FlaskClient) -> None:
    static = app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value()
    holders = (None, new_key(app, "one"), new_key(app, "two"), static)
    answers = [send(client, key, Idempotency_Key="same") for key in holders]
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json["id"] for answer in answers}) == 4
    # For each of them it is used up: another body is refused.
    assert [send(client, key, Idempotency_Key="same").status_code for key in holders] == [422] * 4


def test_each_key_has_a_limit_of_its_own(
    make_app: Callable[[Settings], Flask], make_settings: Callable[..., Settings], database_url: str
) -> None:
    limits = {"RATE_LIMIT_LEADS": "1 per minute", "RATE_LIMIT_KEY_LEADS": "2 per minute"}
    app = make_app(make_settings(DATABASE_URL=database_url, **limits))
    client = app.test_client()
    one, two = new_key(app, "one"), new_key(app, "two")
    # Wherever it is sent from, a key is one; and it leaves the limit of its address alone.
    assert [send(client, one, address=f"192.0.2.{n}").status_code for n in range(3)] == [201, 201, 429]
    refused = send(client, one)
    assert "with this key" in refused.json["detail"]
    assert int(refused.headers["Retry-After"]) >= 1
    assert send(client, two, address="192.0.2.0").status_code == 201
    static = app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value()
    assert [send(client, static).status_code for _ in range(3)] == [201, 201, 429]
    assert [send(client, None).status_code for _ in range(2)] == [201, 429]

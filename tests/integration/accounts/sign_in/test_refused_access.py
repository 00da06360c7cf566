"""Who was refused is in the audit log: by role, by scope, for want of a CSRF token, and for too many requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from alma_leads.accounts.core.access_refusal_service import MOST_IN_AN_HOUR
from alma_leads.accounts.core.models import Role
from alma_leads.accounts.core.permissions import Scope
from alma_leads.accounts.sign_in.throttle import PER_ACCOUNT
from alma_leads.audit.models import AuditEvent
from alma_leads.common.extensions import db
from config import Settings
from tests.conftest import MakeSettings, TestClock
from tests.support.desk import HTML, add_person, sign_in, token
from tests.support.factories import lead_body
from tests.support.keys import new_key

ROSA = "rosa.delgado@alma.example"


def refusals(app: Flask) -> list[tuple[Any, ...]]:
    """Return (kind, name, address, route, why) of each refusal that was noted."""
    with app.app_context():
        events = db.session.scalars(
            select(AuditEvent).where(AuditEvent.action == "access_refused").order_by(AuditEvent.id)
        )
        return [
            (each.actor_kind, each.actor_name, each.actor_address, each.subject, each.data["why"]) for each in events
        ]


def test_a_role_that_does_not_allow_it(app: Flask, client: FlaskClient) -> None:
    add_person(app, "Ian Park", role=Role.VIEWER)
    sign_in(client, "Ian Park")
    for _ in range(3):
        assert client.get("/internal/settings/people", headers=HTML).status_code == 403
        assert client.patch("/internal/leads/1", json={"status": "REACHED_OUT"}).status_code == 403
    role = "the role does not allow it"
    assert refusals(app) == [
        ("user", "Ian Park", "127.0.0.1", "GET /internal/settings/people", role),
        ("user", "Ian Park", "127.0.0.1", "PATCH /internal/leads/{lead_id}", role),
    ]


def test_a_key_without_the_scope(app: Flask, client: FlaskClient) -> None:
    headers = {"X-API-Key": new_key(app, "import", Scope.CREATE)}
    for number in range(3):
        assert client.get(f"/internal/leads/{number}", headers=headers).status_code == 403
    (noted,) = refusals(app)
    assert noted[1:] == ("script: import", "127.0.0.1", "GET /internal/leads/{lead_id}", "the key has no scope for it")


def test_no_csrf_token(app: Flask, client: FlaskClient) -> None:
    add_person(app)
    assert client.post("/login", data={"email": ROSA}, headers=HTML).status_code == 400
    assert client.post("/", data=lead_body()).status_code == 400
    sign_in(client)
    assert client.post("/logout", data={"csrf_token": "wrong"}, headers=HTML).status_code == 400
    assert [(kind, route) for kind, _, _, route, _ in refusals(app)] == [
        ("stranger", "POST /login"),
        ("stranger", "POST /"),
        ("user", "POST /logout"),
    ]
    assert {why for *_, why in refusals(app)} == {"no CSRF token that works"}
    page = client.get("/internal/settings/audit?action=access_refused", headers=HTML).get_data(as_text=True)
    assert '<b dir="auto">Rosa Delgado</b> was refused <b dir="auto">POST /logout</b>.' in page
    assert "why: no CSRF token that works" in page


def test_too_many_requests(
    make_app: Callable[[Settings], Flask], make_settings: MakeSettings, database_url: str
) -> None:
    app = make_app(make_settings(DATABASE_URL=database_url, RATE_LIMIT_LEADS="1 per hour"))
    client = app.test_client()
    assert [client.post("/public/leads", json=lead_body()).status_code for _ in range(4)] == [201, 429, 429, 429]
    for _ in range(PER_ACCOUNT + 2):
        data = {
            "email": ROSA,
            "password": "not the right words",
            "csrf_token": token(client.get("/login", headers=HTML)),
        }
        client.post("/login", data=data, headers=HTML)
    why = "too many requests"
    assert refusals(app) == [
        ("stranger", "Someone", "127.0.0.1", "POST /public/leads", why),
        ("stranger", "Someone", "127.0.0.1", "POST /login", why),
    ]


@pytest.mark.parametrize("processes", [1, 3])
def test_a_stranger_cannot_fill_the_log(
    app: Flask, make_app: Callable[[Settings], Flask], settings: Settings, clock: TestClock, processes: int
) -> None:
    apps = [app, *(make_app(settings) for _ in range(processes - 1))]

    def refuse(number: int) -> None:
        client = apps[number % processes].test_client()
        here = {"REMOTE_ADDR": f"198.51.100.{number // 2}"}
        assert client.post("/login", data={}, headers=HTML, environ_overrides=here).status_code == 400

    for number in range(2 * MOST_IN_AN_HOUR + 6):
        refuse(number)
    assert len(refusals(app)) == MOST_IN_AN_HOUR
    # Those of somebody who is signed in are still noted.
    add_person(app, "Ian Park", role=Role.VIEWER)
    ian = app.test_client()
    sign_in(ian, "Ian Park")
    assert ian.get("/internal/settings/people", headers=HTML).status_code == 403
    assert refusals(app)[-1][1] == "Ian Park"
    clock.forward(minutes=61)
    refuse(1)
    assert len(refusals(app)) == MOST_IN_AN_HOUR + 2

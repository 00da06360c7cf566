"""Signing in with a work account in tests: the button, the way back, and what must hold after a refusal."""

from __future__ import annotations

import html
import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from alma_leads.audit.models import AuditEvent
from alma_leads.common.extensions import db
from tests.support.desk import HTML, token
from tests.support.oidc import Provider

CALLBACK = "/login/sso/callback"


def start(client: FlaskClient, **fields: str) -> str:
    """Press the button, and return the address at the provider."""
    data = {"csrf_token": token(client.get("/login", headers=HTML)), **fields}
    return address_on(client.post("/login/sso", data=data, headers=HTML))


def address_on(page: TestResponse) -> str:
    """Return where the page leads at once, and by its button."""
    text = page.get_data(as_text=True)
    assert page.status_code == 200, text
    by_itself = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', text)
    by_button = re.search(r'class="btn pri" href="([^"]+)"', text)
    assert by_itself is not None
    assert by_button is not None
    assert by_itself[1] == by_button[1]
    return html.unescape(by_itself[1])


def come_back(client: FlaskClient, query: str) -> TestResponse:
    """Come back from the provider, as a browser does."""
    return client.get(f"{CALLBACK}?{query}", headers=HTML)


def sso(client: FlaskClient, provider: Provider, **claims: Any) -> TestResponse:
    """Sign in with a work account about which the provider says `claims`."""
    return come_back(client, provider.answer(start(client), **claims))


def events(app: Flask, action: str) -> list[tuple[str, dict[str, Any]]]:
    """Return (subject, data) of the events of an action in the audit log, oldest first."""
    found = select(AuditEvent.subject, AuditEvent.data).where(AuditEvent.action == action).order_by(AuditEvent.id)
    with app.app_context():
        return [(row.subject, row.data) for row in db.session.execute(found)]


def assert_refused(app: Flask, client: FlaskClient, answer: TestResponse, reason: str, *, status: int = 403) -> None:
    """Fail unless nobody came in, the page says what to do, and the audit log says why."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert 'href="/login"' in answer.get_data(as_text=True)
    assert events(app, "sign_in_failed")[-1][1]["reason"] == reason
    assert client.get("/internal/leads", headers=HTML).status_code == 303

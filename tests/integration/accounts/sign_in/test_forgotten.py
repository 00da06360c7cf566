"""A forgotten password: the same words and the same time for everyone, and never a flood."""

from __future__ import annotations

import statistics
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, insert, select, update

from alma_leads.accounts.core.models import Identity, SignInAttempt, User
from alma_leads.accounts.sign_in import reset_service, throttle
from alma_leads.audit.models import AuditEvent
from alma_leads.database.base import to_stamp, utc_now
from config import Settings
from tests.conftest import MakeSettings
from tests.integration.accounts.users.test_people_page import NEW, mailed
from tests.support.desk import HTML, add_person, count, run, token, value
from tests.support.outbox import enqueued

ROSA = "rosa.delgado@alma.example"
PATH = "/login/forgotten"


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str) -> Settings:
    mail = {"SMTP_HOST": "127.0.0.1", "SENDER_EMAIL": "a@firm.example", "HELPDESK_EMAIL": "help@firm.example"}
    return make_settings(DATABASE_URL=database_url, **mail)


def ask(client: FlaskClient, email: str = ROSA, **environ: str) -> Any:
    data = {"csrf_token": token(client.get("/login", headers=HTML)), "email": email}
    return client.post(PATH, data=data, headers=HTML, environ_overrides=environ)


def links(app: Flask) -> Any:
    return value(app, "SELECT count(*) FROM outbox_messages WHERE kind = 'password_reset'")


def test_whoever_forgot_gets_a_link_and_chooses_another(app: Flask, client: FlaskClient) -> None:
    add_person(app)
    assert "Password forgotten?" in client.get("/login", headers=HTML).get_data(as_text=True)
    answer = ask(client, "Rosa.Delgado@ALMA.example")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{PATH}?sent")
    first = mailed(app, "password_reset")
    assert "Someone asked for a new password" in enqueued(app, "password_reset")[0][1].text
    assert ask(client).status_code == 303
    gone = client.get(first, headers=HTML)
    assert gone.status_code == 410
    assert f'href="{PATH}"' in gone.get_data(as_text=True)
    link = mailed(app, "password_reset")
    form = client.get(link, headers=HTML)
    assert client.post(link, data={"csrf_token": token(form), "password": NEW}, headers=HTML).status_code == 303
    assert count(app, AuditEvent, AuditEvent.action == "reset_link_sent") == 2
    assert value(app, select(AuditEvent.actor_kind).where(AuditEvent.action == "reset_link_sent")) == "stranger"


def test_nothing_tells_whether_there_is_an_account(app: Flask, client: FlaskClient) -> None:
    add_person(app)
    add_person(app, "Ian Park", active=False)
    known = ask(client)
    for other in ("nobody@alma.example", "ian.park@alma.example"):
        answer = ask(client, other)
        assert (answer.status_code, answer.headers["Location"]) == (known.status_code, known.headers["Location"])
        assert answer.data == known.data
    assert links(app) == 1
    bad = ask(client, "rosa@")
    assert bad.status_code == 422
    assert "like name@example.com" in bad.get_data(as_text=True)


@pytest.mark.real_password_cost
def test_it_takes_the_same_time(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "PER_ACCOUNT", 1000)
    monkeypatch.setattr(throttle, "PER_ADDRESS", 1000)
    add_person(app)
    took: dict[str, list[float]] = {ROSA: [], "nobody@alma.example": []}
    for _ in range(4):
        for email, times in took.items():
            with app.app_context():
                began = time.perf_counter()
                reset_service.request_reset(email, address="203.0.113.7")
                times.append(time.perf_counter() - began)
    known, unknown = map(statistics.median, took.values())
    assert min(known, unknown) >= reset_service.ANSWER_AFTER_S
    assert abs(known - unknown) < 0.05, took


def test_five_in_a_quarter_of_an_hour_then_wait_in_the_same_words(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reset_service, "ANSWER_AFTER_S", 0)
    add_person(app)
    answers = []
    for email in (ROSA, "nobody@alma.example"):
        for _ in range(5):
            assert ask(client, email).status_code == 303
        refused = ask(client, email)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 900
        answers.append(refused.get_data(as_text=True).split("<main")[1].split("</main")[0])
    assert len({text.split("Wait")[0] for text in answers}) == 1
    login = client.get("/login", headers=HTML)
    data = {"csrf_token": token(login), "email": ROSA, "password": "wrong wrong wrong"}
    assert client.post("/login", data=data, headers=HTML).status_code == 422, "signing in is counted apart"


def test_an_inbox_gets_five_a_day_at_most(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reset_service, "ANSWER_AFTER_S", 0)
    add_person(app)
    for _ in range(7):
        run(app, delete(SignInAttempt))
        run(app, "UPDATE outbox_messages SET state = 'sent'")
        assert ask(client).status_code == 303
    assert links(app) == 5
    run(app, "UPDATE outbox_messages SET created_at = :at", at=to_stamp(utc_now() - timedelta(hours=25)))
    run(app, delete(SignInAttempt))
    ask(client)
    assert links(app) == 6


def test_who_comes_in_otherwise_gets_no_second_door(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reset_service, "ANSWER_AFTER_S", 0)
    person_id = add_person(app)
    run(app, update(User).values(password=None))
    ask(client)
    assert links(app) == 1, "who was invited and never came may begin by this too"
    identity = {"user_id": person_id, "issuer": "https://id.example", "subject": "x", "created_at": utc_now()}
    run(app, insert(Identity).values(identity))
    ask(client)
    assert links(app) == 1


def test_without_a_mail_server_it_says_whom_to_ask(make_app: Any, make_settings: MakeSettings, sqlite_url: str) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url))
    add_person(app)
    client = app.test_client()
    assert "Ask an administrator" in client.get(PATH, headers=HTML).get_data(as_text=True)
    assert ask(client).status_code == 200
    assert links(app) == 0


def test_where_nobody_uses_passwords_it_does_not_exist(
    make_app: Any, make_settings: MakeSettings, sqlite_url: str
) -> None:
    oidc = {"OIDC_ISSUER": "https://id.example", "OIDC_CLIENT_ID": "alma", "OIDC_CLIENT_SECRET": "s" * 20}
    app = make_app(
        make_settings(DATABASE_URL=sqlite_url, PASSWORD_SIGN_IN="off", OIDC_ALLOWED_DOMAINS="alma.example", **oidc)
    )
    client = app.test_client()
    assert client.get(PATH, headers=HTML).status_code == 404
    assert PATH not in client.get("/login", headers=HTML).get_data(as_text=True)

"""Messages with a link that works for a while: never sent later than that, never shown, and taken back when wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from alma_leads.accounts.core.models import Role
from alma_leads.common.actor import OPERATOR
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.database.transactions import transaction_on
from alma_leads.outbox import queue
from alma_leads.outbox.delivery import new_delivery_run
from alma_leads.outbox.queue import Failure
from config import Settings
from tests.conftest import API_KEY, MakeSettings
from tests.support.desk import HTML, add_person, get, post, sign_in, value
from tests.support.outbox import enqueue_notes as promise
from tests.support.smtp import SmtpServer

SECRET = "Zq7wT0k3n-9f"
LINK = f"https://desk.firm.example/reset/{SECRET}"
BODIES: dict[str, Any] = {"text": f"Come in:\n{LINK}\n", "html": f'<a href="{LINK}">Come in</a>'}


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str, smtp_server: SmtpServer) -> Settings:
    return make_settings(DATABASE_URL=database_url, **smtp_server.settings())


def give_up(app: Flask, engine: Engine, *, in_s: float) -> None:
    """Make a dead letter of a message whose link stops working in so many seconds."""
    promise(app, expires_at=utc_now() + timedelta(seconds=in_s), **BODIES)
    [claimed] = queue.claim(engine, "mine", limit=1, lease_s=15)
    queue.settle_failed(engine, "mine", [Failure(claimed.id, "451 later", None)])


def states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT state FROM outbox_messages ORDER BY id")).scalars())


def deliver(app: Flask) -> Any:
    with app.app_context():
        return new_delivery_run().run()


def test_what_is_in_time_is_sent_and_its_link_forgotten(app: Flask, engine: Engine, smtp_server: SmtpServer) -> None:
    promise(app, expires_at=utc_now() + timedelta(hours=24), **BODIES)
    assert deliver(app).sent == 1
    assert SECRET in smtp_server.taken[0].raw.decode()
    assert value(app, "SELECT CAST(facts AS text) FROM outbox_messages") == "{}"


def test_the_link_of_a_failed_email_is_deleted_once_it_has_expired(app: Flask, engine: Engine) -> None:
    give_up(app, engine, in_s=3600)
    give_up(app, engine, in_s=-1)
    promise(app, expires_at=utc_now() - timedelta(seconds=1), **BODIES)
    for purged in (1, 0):
        with app.app_context(), transaction() as session:
            assert queue.purge_secrets(session) == purged
    facts = "SELECT CAST(facts AS text) FROM outbox_messages WHERE id = :id"
    assert value(app, facts, id=2) == "{}"
    assert SECRET in value(app, facts, id=1)
    assert SECRET in value(app, facts, id=3)


def test_what_is_too_late_is_given_up_unsent(app: Flask, engine: Engine, smtp_server: SmtpServer) -> None:
    promise(app, expires_at=utc_now() - timedelta(seconds=1), **BODIES)
    promise(app)
    tally = deliver(app)
    assert (tally.sent, tally.failed) == (1, 1)
    assert len(smtp_server.taken) == 1
    assert "no longer works" in value(app, "SELECT last_error FROM outbox_messages WHERE state = 'dead'")


def test_a_dead_letter_that_is_too_old_is_not_sent_again(app: Flask, engine: Engine, client: FlaskClient) -> None:
    give_up(app, engine, in_s=-1)
    give_up(app, engine, in_s=3600)
    assert not queue.retry(engine, 1, actor=OPERATOR)
    add_person(app)
    sign_in(client)
    page = get(client, "/internal/outbox")
    assert "The link in it no longer works, so it cannot be sent again" in page.text
    assert "Send all" not in page.text
    assert [form.get("action") for form in page.all("form", method="post")] == ["/logout", "/internal/outbox/2/send"]
    answer = client.post("/internal/outbox/1/send", headers={"X-API-Key": API_KEY})
    assert answer.status_code == 409
    assert "no longer works" in answer.get_json()["detail"]
    post(client, "/internal/outbox/1/send", on="/internal/outbox")
    assert "cannot be sent again" in get(client, "/internal/outbox").text
    command = app.test_cli_runner().invoke(args=["outbox", "retry", "1"])
    assert command.exit_code == 1
    assert "1: the link in it no longer works" in command.output
    assert queue.retry_failed(engine, actor=OPERATOR) == 1
    assert states(engine) == ["dead", "queued"]
    app.extensions["background"].huey.storage.close()


def test_the_servers_words_do_not_give_the_link_away(app: Flask, engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.reply_once("DATA", f"554 5.7.1 we do not like {LINK} here")
    promise(app, expires_at=utc_now() + timedelta(hours=24), **BODIES)
    assert deliver(app).failed == 1
    words = value(app, "SELECT last_error FROM outbox_messages")
    assert "554 5.7.1 we do not like https://desk.firm.example/reset/… here" in words


@pytest.mark.parametrize("role", list(Role))
def test_nobody_reads_a_body(app: Flask, engine: Engine, client: FlaskClient, role: Role) -> None:
    give_up(app, engine, in_s=3600)
    promise(app, expires_at=utc_now() + timedelta(hours=24), **BODIES)
    add_person(app, role=role)
    sign_in(client)
    part = {**HTML, "HX-Request": "true", "HX-Target": "msg-1"}
    for path in ("/internal/outbox", "/internal/outbox?state=dead", "/internal/outbox?state=queued"):
        for headers in (HTML, {"Accept": "application/json"}):
            assert SECRET not in client.get(path, headers=headers).get_data(as_text=True)
    for headers in (part, {"Accept": "application/json"}, {"X-API-Key": API_KEY}):
        answer = client.get("/internal/outbox/1", headers=headers)
        assert answer.status_code == 200
        assert SECRET not in answer.get_data(as_text=True)
    assert SECRET not in app.test_cli_runner().invoke(args=["outbox", "status"]).output


def test_what_is_wrong_by_now_is_taken_back_unless_it_is_being_sent(app: Flask, engine: Engine) -> None:
    promise(app, 2)
    promise(app, correlation="lead:2")
    promise(app, kind="other")
    [held] = queue.claim(engine, "mine", limit=1, lease_s=15)
    with transaction_on(engine) as connection:
        assert queue.withdraw(connection, correlation="lead:1", kind="note") == 1
    assert states(engine) == ["queued"] * 3
    assert queue.settle_sent(engine, "mine", held.id)
    with transaction_on(engine) as connection:
        assert queue.withdraw(connection, correlation="lead:1", kind="note") == 0, "what is sent stays"


def test_what_a_dead_worker_held_is_taken_back_too(app: Flask, engine: Engine) -> None:
    promise(app)
    queue.claim(engine, "mine", limit=1, lease_s=-1)
    with transaction_on(engine) as connection:
        assert queue.withdraw(connection, correlation="lead:1", kind="note") == 1


def test_times_are_the_same_moment_on_both_databases(app: Flask, engine: Engine) -> None:
    moment = utc_now() + timedelta(hours=1)
    promise(app, expires_at=moment)
    [claimed] = queue.claim(engine, "mine", limit=1, lease_s=15)
    assert claimed.expires_at == moment

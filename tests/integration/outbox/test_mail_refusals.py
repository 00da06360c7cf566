"""Whose fault a refusal is: each row of the table in docs/operations.md, against a real mail server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from alma_leads.common.actor import OPERATOR
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.outbox import queries, queue
from alma_leads.outbox.delivery import DeliveryRun, new_delivery_run
from alma_leads.outbox.models import MailPause, OutboxMessage
from alma_leads.outbox.pause_service import ask_for_probe, find_pause
from config import Settings
from tests.conftest import MakeSettings
from tests.integration.outbox.test_outbox_delivery import drain, paused
from tests.support.desk import add_person, get, sign_in
from tests.support.outbox import enqueue_notes
from tests.support.smtp import SmtpServer

DOMAINS = ("a.example", "b.example", "c.example", "d.example")
QUOTA = "550 5.4.5 Daily user sending limit exceeded"


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str, smtp_server: SmtpServer) -> Settings:
    return make_settings(DATABASE_URL=database_url, **smtp_server.settings(), MAIL_RETRY_BASE_S=3600)


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def enqueue_for(where: Engine | Flask, *domains: str) -> None:
    for domain in domains:
        enqueue_notes(where, recipient=f"ada@{domain}")


def states(engine: Engine) -> list[tuple[str, int]]:
    """Return state and attempts of each message, oldest first."""
    with Session(engine) as session:
        found = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
        return [(message.state.value, message.attempts) for message in found]


def mended(engine: Engine, smtp_server: SmtpServer) -> DeliveryRun:
    """Have the server behave, let the next probe be due, and return a run."""
    smtp_server.behaviour.replies.clear()
    smtp_server.behaviour.silent = False
    ask_for_probe(engine)
    return drain(engine)


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("CONNECT", "451 4.3.2 Too busy"),
        ("CONNECT", "554 5.7.1 Your address is on a list"),
        ("EHLO", "504 5.5.2 Need a fully-qualified hostname"),
        ("MAIL", "553 5.7.1 Sender address rejected: not owned by user"),
        ("MAIL", QUOTA),
        ("MAIL", "530 5.7.0 Authentication required"),
        ("MAIL", "451 4.3.0 Try again later"),
        ("MAIL", "421 4.7.0 Too many messages"),
        ("RCPT", "421 4.7.0 Closing"),
        ("DATA", "421 4.7.0 Closing"),
    ],
)
@pytest.mark.usefixtures("context")
def test_a_refusal_of_us_pauses_mail_and_costs_no_attempt(
    engine: Engine, smtp_server: SmtpServer, command: str, reply: str
) -> None:
    smtp_server.behaviour.replies[command] = reply
    enqueue_for(engine, *DOMAINS)
    stats = drain(engine).run()

    assert (stats.sent, stats.retrying, stats.failed) == (0, 0, 0)
    assert states(engine) == [("queued", 0)] * 4
    assert paused(engine).startswith(reply.split(":")[0])
    assert drain(engine).run().sent == 0, "it is not time to try again"
    assert mended(engine, smtp_server).run().sent == 4
    assert paused(engine) == ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"password": "wrong"}, "535"),
        ({"port": 1}, "refused"),
        ({"ca_file": None}, "certificate that cannot be trusted"),
    ],
    ids=["wrong password", "closed port", "certificate"],
)
@pytest.mark.usefixtures("context")
def test_a_server_that_cannot_be_used_pauses_mail(
    engine: Engine, smtp_server: SmtpServer, wrong: dict[str, Any], words: str
) -> None:
    enqueue_for(engine, *DOMAINS)
    drain(engine, **wrong).run()

    assert states(engine) == [("queued", 0)] * 4
    assert words in paused(engine)
    assert mended(engine, smtp_server).run().sent == 4


@pytest.mark.usefixtures("context")
def test_silence_pauses_mail(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.silent = True
    enqueue_for(engine, *DOMAINS)
    drain(engine, greeting_timeout_s=0.3).run()

    assert states(engine) == [("queued", 0)] * 4
    assert "did not answer in time" in paused(engine)


@pytest.mark.usefixtures("context")
def test_a_server_without_starttls_pauses_mail(engine: Engine, tmp_path: Path) -> None:
    enqueue_for(engine, *DOMAINS)
    with SmtpServer(tmp_path, security="none") as plain:
        drain(engine, port=plain.port).run()

    assert states(engine) == [("queued", 0)] * 4
    assert "STARTTLS" in paused(engine)


@pytest.mark.parametrize(
    ("command", "reply", "state"),
    [
        ("RCPT", "550 5.1.1 No such user", "dead"),
        ("RCPT", "450 4.2.0 Greylisted", "queued"),
        ("RCPT", "452 4.2.2 Mailbox full", "queued"),
        ("DATA", "554 5.7.1 Spam", "dead"),
        ("DATA", "451 4.3.0 Later", "queued"),
        ("MAIL", "552 5.3.4 Message too big", "dead"),
        ("MAIL", "550 5.3.4 Message too big", "dead"),
    ],
)
@pytest.mark.usefixtures("context")
def test_a_refusal_of_a_message_is_its_own_and_the_others_go(
    engine: Engine, smtp_server: SmtpServer, command: str, reply: str, state: str
) -> None:
    smtp_server.behaviour.reply_once(command, "", reply)
    enqueue_for(engine, *DOMAINS)
    drain(engine).run()

    assert states(engine) == [("sent", 1), (state, 1), ("sent", 1), ("sent", 1)]
    assert paused(engine) == ""


@pytest.mark.parametrize("reply", [QUOTA, "450 4.7.1 Not now"])
@pytest.mark.parametrize("command", ["RCPT", "DATA"])
@pytest.mark.usefixtures("context")
def test_the_same_refusal_for_three_domains_in_a_row_is_about_us(
    engine: Engine, smtp_server: SmtpServer, command: str, reply: str
) -> None:
    smtp_server.behaviour.replies[command] = reply
    enqueue_for(engine, *DOMAINS)
    drain(engine).run()

    assert states(engine) == [("queued", 0)] * 4
    assert paused(engine) == reply
    ask_for_probe(engine)
    drain(engine).run()
    assert states(engine) == [("queued", 0)] * 4, "a probe that meets the same refusal changes nothing"
    assert mended(engine, smtp_server).run().sent == 4


@pytest.mark.parametrize("domains", [("a.example", "b.example"), ("a.example", "a.example", "A.EXAMPLE")])
@pytest.mark.usefixtures("context")
def test_the_same_refusal_for_two_domains_is_not(
    engine: Engine, smtp_server: SmtpServer, domains: tuple[str, ...]
) -> None:
    smtp_server.behaviour.replies["RCPT"] = "550 5.1.1 No such user"
    enqueue_for(engine, *domains)
    drain(engine).run()

    assert states(engine) == [("dead", 1)] * len(domains)
    assert paused(engine) == ""


@pytest.mark.usefixtures("context")
def test_three_wrong_addresses_in_a_row_do_not_stop_mail_for_good(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.reply_once("RCPT", *["550 5.1.1 No such user"] * 3)
    enqueue_for(engine, *DOMAINS)
    drain(engine).run()
    assert paused(engine)
    smtp_server.behaviour.reply_once("RCPT", "", *["550 5.1.1 No such user"] * 3)
    ask_for_probe(engine)
    drain(engine).run()  # the fourth is the one that has waited longest by now

    assert sorted(states(engine)) == [("dead", 1)] * 3 + [("sent", 1)]
    assert paused(engine) == ""


@pytest.mark.usefixtures("context")
def test_a_connection_that_breaks_after_data_costs_its_message_an_attempt(
    engine: Engine, smtp_server: SmtpServer
) -> None:
    smtp_server.behaviour.drop_after_data = True
    enqueue_for(engine, "a.example")
    drain(engine).run()

    assert states(engine) == [("queued", 1)]
    assert paused(engine) == ""


@pytest.mark.usefixtures("context")
def test_one_message_probes_and_ever_more_rarely(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.replies["MAIL"] = "451 4.3.0 Try again later"
    enqueue_for(engine, *DOMAINS)
    waits = []
    for _ in range(6):
        drain(engine).run()
        with transaction_on(engine) as connection:
            pause = find_pause(connection)
            assert pause is not None
            waits.append(round((pause.probe_at - utc_now()).total_seconds(), -1))
            connection.execute(update(MailPause).values(probe_at=utc_now()))

    assert waits == [30, 60, 120, 240, 300, 300]
    assert smtp_server.commands.count("MAIL") == 6


@pytest.mark.usefixtures("context")
def test_send_again_has_mail_tried_at_once(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.replies["RCPT"] = "550 5.1.1 No such user"
    enqueue_for(engine, "a.example")
    drain(engine).run()
    smtp_server.behaviour.replies = {"MAIL": QUOTA}
    enqueue_for(engine, "b.example")
    drain(engine).run()
    assert paused(engine) == QUOTA
    smtp_server.behaviour.replies.clear()

    assert queue.retry(engine, 1, actor=OPERATOR)
    assert drain(engine).run().sent == 2


@pytest.mark.usefixtures("context")
def test_who_has_waited_too_long_in_a_pause_is_given_up(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.replies["MAIL"] = QUOTA
    enqueue_for(engine, *DOMAINS)
    drain(engine).run()
    long_ago = utc_now() - timedelta(days=5, minutes=1)
    with transaction_on(engine) as connection:
        connection.execute(update(OutboxMessage).where(OutboxMessage.id != 2).values(created_at=long_ago))
    ask_for_probe(engine)
    drain(engine).run()
    assert states(engine) == [("queued", 0)] * 4, "the pause itself is young"
    with transaction_on(engine) as connection:
        connection.execute(update(MailPause).values(since=long_ago))
    ask_for_probe(engine)
    with capture_logs() as logs:
        drain(engine).run()

    assert states(engine) == [("dead", 0), ("queued", 0), ("dead", 0), ("dead", 0)]
    assert {"event": "emails given up after a long pause", "number": 3, "log_level": "error"} in logs
    with reading(engine) as connection:
        [failed] = [row for row in queries.list_about(connection, "lead:1") if row.id == 1]
    assert failed.last_error == QUOTA


@pytest.mark.usefixtures("context")
def test_the_log_tells_each_attempt_and_no_address(engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.reply_once("RCPT", "", "550 5.1.1 <ada@b.example>: no such user", "450 ada@c.example later")
    enqueue_for(engine, *DOMAINS)
    with capture_logs() as logs:
        drain(engine).run()

    told = [(entry["event"], entry["message_id"], entry["about"], entry["attempt"]) for entry in logs]
    assert sorted(told, key=lambda each: each[1]) == [
        ("email sent", 1, "lead:1", 1),
        ("email failed", 2, "lead:1", 1),
        ("email refused for now", 3, "lead:1", 1),
        ("email sent", 4, "lead:1", 1),
    ]
    assert "550 5.1.1 <…>: no such user" in [entry.get("words") for entry in logs]
    assert "example" not in str(logs)


def test_every_desk_page_says_why_mail_is_paused(app: Flask, client: FlaskClient, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.replies["MAIL"] = f"{QUOTA} <b>"
    enqueue_for(app, "a.example")
    with app.app_context():
        drain(db.engine).run()
    add_person(app)
    sign_in(client)
    for path in ("/internal/leads", "/internal/outbox", "/internal/account"):
        page = get(client, path)
        assert "Email is paused" in page.text
        assert f"{QUOTA} <b>" in page.text
    warnings = client.get("/readyz").get_json()["warnings"]
    assert any(QUOTA in warning for warning in warnings)
    status = app.test_cli_runner().invoke(args=["outbox", "status"]).output
    assert QUOTA in status


def test_the_outbox_page_and_the_command_show_the_words_of_what_is_retried(
    app: Flask, client: FlaskClient, smtp_server: SmtpServer
) -> None:
    smtp_server.behaviour.replies["RCPT"] = "450 4.2.0 Greylisted, ask ada@a.example"
    enqueue_for(app, "a.example")
    with app.app_context():
        drain(db.engine).run()
    add_person(app)
    sign_in(client)
    assert "450 4.2.0 Greylisted" in get(client, "/internal/outbox").text
    status = app.test_cli_runner().invoke(args=["outbox", "status"]).output
    assert "450 4.2.0 Greylisted, ask …" in status


@pytest.mark.parametrize("refused", ["", "MAIL", "RCPT"])
def test_a_test_email_says_what_the_server_answers(app: Flask, smtp_server: SmtpServer, refused: str) -> None:
    if refused:
        smtp_server.behaviour.replies[refused] = "550 5.7.1 No"
    done = app.test_cli_runner().invoke(args=["outbox", "test", "ops@firm.example"])
    app.extensions["background"].huey.storage.close()
    if refused:
        assert done.exit_code == 1
        assert "550 5.7.1 No" in done.output
        return
    assert done.exit_code == 0, done.output
    [taken] = smtp_server.taken
    assert taken.recipients == ("ops@firm.example",)
    assert taken.message["Subject"] == "Test email"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"PUBLIC_URL": "https://desk.firm.example"}, "desk.firm.example"),
        ({"PUBLIC_URL": "https://desk.firm.example", "SMTP_EHLO_NAME": "mail.firm.example"}, "mail.firm.example"),
    ],
)
def test_we_name_ourselves_by_the_public_address(
    make_app: Callable[[Settings], Flask],
    make_settings: MakeSettings,
    sqlite_url: str,
    smtp_server: SmtpServer,
    given: dict[str, str],
    name: str,
) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url, **smtp_server.settings(), **given))
    enqueue_for(app, "a.example")
    with app.app_context():
        run = new_delivery_run()
        assert run is not None
        assert run.run().sent == 1
    assert smtp_server.names == {name}

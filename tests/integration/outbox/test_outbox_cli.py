"""`flask outbox status|deliver|retry`: each says what it did, and exits 0 only if it did it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import Engine

from alma_leads.outbox import queue
from alma_leads.outbox.queue import Failure
from config import Settings
from tests.conftest import MakeSettings
from tests.integration.outbox.test_outbox_delivery import messages, promise
from tests.support.smtp import SmtpServer


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str, smtp_server: SmtpServer) -> Settings:
    return make_settings(DATABASE_URL=database_url, **smtp_server.settings())


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        app.extensions["background"].huey.storage.close()


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["outbox", *words])


def kill(engine: Engine, number: int) -> list[int]:
    """Make dead letters; return their ids."""
    promise(engine, number)
    ids = [claimed.id for claimed in queue.claim(engine, "mine", limit=number, lease_s=15)]
    queue.settle_failed(engine, "mine", [Failure(message_id, "550 no", None) for message_id in ids])
    return ids


def test_status_counts_and_names_the_server(app: Flask, engine: Engine, settings: Settings) -> None:
    kill(engine, 2)
    promise(engine)
    done = run(app, "status")

    assert done.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in done.output.replace("dead letters", "dead").splitlines())
    assert lines["queued"] == "1"
    assert lines["dead"] == "2"
    assert f"127.0.0.1:{settings.SMTP_PORT}" in done.output
    assert "oldest waits" in done.output


def test_deliver_sends_what_is_due(app: Flask, engine: Engine, smtp_server: SmtpServer) -> None:
    promise(engine, 2)
    done = run(app, "deliver")

    assert done.exit_code == 0
    assert "2 sent" in done.output
    assert len(smtp_server.taken) == 2


def test_deliver_fails_when_a_message_does(app: Flask, engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.replies["RCPT"] = "550 5.1.1 No such user"
    promise(engine)
    done = run(app, "deliver")

    assert done.exit_code == 1
    assert "1 given up" in done.output


def test_deliver_needs_a_mail_server(make_app: object, make_settings: MakeSettings, database_url: str) -> None:
    app = make_app(make_settings(DATABASE_URL=database_url))  # type: ignore[operator]
    with app.app_context():
        promise_count = run(app, "deliver")

    assert promise_count.exit_code == 1
    assert "SMTP_HOST" in promise_count.output


def test_retry_names_what_it_did_and_what_not(app: Flask, engine: Engine) -> None:
    first, second, _third = kill(engine, 3)
    done = run(app, "retry", str(first), str(second))
    assert (done.exit_code, done.output) == (0, f"{first}: queued again.\n{second}: queued again.\n")

    again = run(app, "retry", str(first), "4711")
    assert again.exit_code == 1
    assert f"{first}: waits to be sent" in again.output
    assert "4711: there is no such message." in again.output


def test_retry_all_revives_every_dead_letter(app: Flask, engine: Engine) -> None:
    kill(engine, 3)
    done = run(app, "retry", "--all")

    assert (done.exit_code, done.output) == (0, "3 dead letters queued again.\n")
    assert {row.delivery for row in messages(engine)} == {"queued"}


@pytest.mark.parametrize("words", [[], ["--all", "3"]])
def test_retry_wants_ids_or_all(app: Flask, words: list[str]) -> None:
    assert run(app, "retry", *words).exit_code == 2


@pytest.mark.parametrize("command", ["status", "deliver", "retry"])
def test_each_command_has_help(app: Flask, command: str) -> None:
    done = run(app, command, "--help")

    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 3

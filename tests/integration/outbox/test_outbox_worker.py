"""The worker as a process of its own, woken through each kind of task queue, and told to stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from alma_leads.common.extensions import db
from alma_leads.database.transactions import reading
from alma_leads.jobs.tasks import wake
from alma_leads.outbox import queries
from config import Settings
from tests.conftest import MakeSettings
from tests.integration.outbox.test_outbox_delivery import environment_of, promise
from tests.support.smtp import SmtpServer

ROOT = Path(__file__).resolve().parents[3]
NOTICE: dict[str, Any] = {
    "kind": "account_notice",
    "facts": {"what": "Your password was changed.", "when": "today", "by": ""},
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database is enough here; delivery itself is tested on both."""
    return sqlite_url


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str, smtp_server: SmtpServer) -> Settings:
    return make_settings(
        DATABASE_URL=database_url, **smtp_server.settings(), MAIL_RETRY_BASE_S=0.1, MAIL_RETRY_MAX_S=0.2
    )


@contextmanager
def worker(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """Run a worker; it must stop within 8 s when told to, without an error and without a traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "worker"],
        cwd=ROOT,
        env=environment_of(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=8)
        assert process.returncode == 0, said
        assert "Traceback" not in said
    finally:
        process.kill()
        process.communicate()


def states(app: Flask) -> list[str]:
    with app.app_context(), reading(db.engine) as connection:
        return [row.delivery for row in queries.list_about(connection, "lead:1")]


def until(what: Callable[[], bool], *, within_s: float) -> float:
    """Wait for `what` and return how long it took, in seconds."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < within_s, "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "valkey"])
def test_each_kind_of_queue_wakes_a_worker_at_once(
    kind: str,
    request: pytest.FixtureRequest,
    make_app: Callable[[Settings], Flask],
    make_settings: MakeSettings,
    sqlite_url: str,
    smtp_server: SmtpServer,
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'queue.db'}" if kind == "sqlite" else request.getfixturevalue(f"{kind}_url")
    settings = make_settings(DATABASE_URL=sqlite_url, TASK_QUEUE_URL=url, **smtp_server.settings())
    app = make_app(settings)
    with worker(settings), app.app_context():
        promise(db.engine, **NOTICE)
        smtp_server.wait_for(1, within_s=20)  # the worker starts up and looks by itself
        time.sleep(1)
        promise(db.engine, **NOTICE)
        began = time.monotonic()
        wake()
        smtp_server.wait_for(2, within_s=5)
        assert time.monotonic() - began < 1.0
        until(lambda: states(app) == ["sent", "sent"], within_s=2)
        # A hundred requests knock: all are served, and the queue does not grow by a hundred.
        for _ in range(100):
            wake()
        assert app.extensions["background"].huey.pending_count() <= 2
        close(app)


def close(app: Flask) -> None:
    """Let go of the queue, as the knocking thread does by itself after a while."""
    app.extensions["background"].huey.storage.close()


def test_a_retry_is_made_when_due(app: Flask, settings: Settings, engine: Engine, smtp_server: SmtpServer) -> None:
    smtp_server.behaviour.reply_once("DATA", *["451 4.7.1 Later"] * 3)
    promise(app, **NOTICE)
    with worker(settings):
        smtp_server.wait_for(1, within_s=20)
        until(lambda: states(app) == ["sent"], within_s=2)

    first, *_others, last = [at for at, command in enumerate(smtp_server.commands) if command == "DATA"]
    assert first < last
    with app.app_context(), reading(engine) as connection:
        [row] = queries.list_about(connection, "lead:1")
    assert row.attempts == 4


def test_a_worker_that_is_stopped_while_a_server_is_silent_gives_back_what_it_holds(
    app: Flask, settings: Settings, engine: Engine, smtp_server: SmtpServer
) -> None:
    smtp_server.behaviour.silent = True
    promise(app, 3, **NOTICE)
    with worker(settings):
        until(lambda: smtp_server.connections >= 1, within_s=20)

    with reading(engine) as connection:
        rows = connection.execute(text("SELECT state, attempts, lease FROM outbox_messages")).all()
    assert [tuple(row) for row in rows] == [("queued", 0, None)] * 3


def test_a_worker_delivers_also_while_the_queue_is_down(
    app: Flask, make_settings: MakeSettings, sqlite_url: str, engine: Engine, smtp_server: SmtpServer
) -> None:
    promise(app, **NOTICE)
    down = make_settings(DATABASE_URL=sqlite_url, TASK_QUEUE_URL="redis://127.0.0.1:1", **smtp_server.settings())
    with worker(down):
        smtp_server.wait_for(1, within_s=20)
        until(lambda: states(app) == ["sent"], within_s=2)


def test_a_request_is_not_told_when_the_queue_is_down(
    make_app: Any, make_settings: MakeSettings, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = make_app(make_settings(DATABASE_URL=sqlite_url, TASK_QUEUE_URL="redis://127.0.0.1:1"))
    with app.app_context():
        began = time.monotonic()
        for _ in range(100):
            wake()
        assert time.monotonic() - began < 0.5
        wake(wait=True)
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize("with_mail", [True, False])
def test_leads_wake_a_worker_once_and_not_without_a_mail_server(
    with_mail: bool,
    make_app: Callable[[Settings], Flask],
    make_settings: MakeSettings,
    sqlite_url: str,
    smtp_server: SmtpServer,
    tmp_path: Path,
) -> None:
    queue = f"sqlite:///{tmp_path / 'queue.db'}"
    mail = smtp_server.settings() if with_mail else {}
    app = make_app(make_settings(DATABASE_URL=sqlite_url, TASK_QUEUE_URL=queue, **mail))
    client = app.test_client()
    for number in range(5):
        lead = {"first_name": "Sai", "last_name": "Maryada", "email": f"{number}@example.com"}
        assert client.post("/public/leads", json=lead | {"resume_url": "https://example.com/cv"}).status_code == 201
    with app.app_context():
        time.sleep(0.3)
        assert app.extensions["background"].huey.pending_count() == (1 if with_mail else 0)
        close(app)

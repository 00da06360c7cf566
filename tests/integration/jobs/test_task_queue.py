"""The task queue on each kind of server: its start, and what happens while it is down."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from alma_leads.jobs.task_queue import queue_at
from config import ROOT
from tests.conftest import MakeSettings
from tests.integration.outbox.test_outbox_delivery import environment_of
from tests.support.databases import Postgres


def test_workers_that_start_at_once_on_a_new_database_all_live(postgres: Postgres) -> None:
    for _ in range(3):
        with postgres.database(migrated=False) as url:

            def start(_: int, url: str = url) -> None:
                queue = queue_at(url)
                assert queue.pending_count() == 0
                queue.storage.close()

            with ThreadPoolExecutor(8) as pool:
                list(pool.map(start, range(8)))


@pytest.mark.parametrize("password", ["a%20long%20random%20one", "plus%2Bquote%27back%5Cslash", "100%25"])
def test_any_password_works_for_the_queue(postgresql_url: str, password: str) -> None:
    queue = queue_at(postgresql_url.replace("postgres@", f"postgres:{password}@"))
    assert queue.pending_count() == 0
    queue.storage.close()


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1", "postgresql+psycopg://someone:hidden@127.0.0.1:1/queue"], ids=["redis", "postgresql"]
)
def test_a_worker_starts_and_waits_while_its_queue_is_down(
    make_settings: MakeSettings, sqlite_url: str, url: str, tmp_path: Path
) -> None:
    settings = make_settings(DATABASE_URL=sqlite_url, TASK_QUEUE_URL=url)
    log = tmp_path / "worker.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "worker"],
            cwd=ROOT,
            env=environment_of(settings),
            stdout=said,
            stderr=said,
        )
        patience = time.monotonic() + 90
        while b"mail worker started" not in log.read_bytes() and process.poll() is None:
            assert time.monotonic() < patience
            time.sleep(0.05)
        time.sleep(2)
        assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    lines = [orjson.loads(line) for line in log.read_text().splitlines()]
    down = [line for line in lines if "cannot be reached" in line["event"]]
    assert len(down) == 1, lines
    assert not any("exception" in line for line in lines)
    assert "hidden" not in log.read_text()

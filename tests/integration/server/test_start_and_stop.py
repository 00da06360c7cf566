"""`make run`'s server as a black box: it starts, restarts what dies, and stops without leaving anything behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from config import ROOT
from tests.support.factories import lead_body, pdf_bytes

WITHIN_S = 30.0  # generous, since the machine may be busy; how long it takes is `make bench`'s to say


class Server:
    """The server in a copy of the project, with a port and a database of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        for name in ("alma_leads", "migrations", "static", "templates"):
            (folder / name).symlink_to(ROOT / name)
        for path in ROOT.glob("*.py"):
            shutil.copy(path, folder)  # not a link: the project's folder is where config.py is
        self.port = _free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "PORT": str(self.port),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "output").open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "alma_leads"],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
                # Whoever runs the tests under nohup hands down a SIGHUP that is ignored, and we respect that.
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
            )

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def children(self) -> list[psutil.Process]:
        assert self.process is not None
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def get(self, path: str, timeout: float = 10.0) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
            answer.read()
            return int(answer.status)

    def answers(self) -> bool:
        try:
            return self.get("/readyz", timeout=2) == 200
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM, *, group: bool = False) -> float:
        """Stop it as an operator does; return the seconds that took."""
        assert self.process is not None
        family = [psutil.Process(self.process.pid), *self.children()]
        began = time.monotonic()
        (os.killpg if group else os.kill)(self.process.pid, number)
        self.process.wait(timeout=15)
        took = time.monotonic() - began
        _gone, alive = psutil.wait_procs(family, timeout=0.5)
        assert not alive, "something was left running"
        return took

    def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def until(true: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline, f"not within {WITHIN_S} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a server that is not started yet."""
    made = Server(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def running(server: Server) -> Server:
    """Return a server that answers, with all of its parts."""
    server.start()
    until(server.answers, "an answer")
    until(lambda: len(server.children()) == 2, "a web worker and a mail worker")
    return server


def test_the_first_start_makes_everything_and_says_where_it_is(running: Server) -> None:
    assert (running.folder / ".env").stat().st_mode & 0o777 == 0o600
    assert (running.folder / "instance/alma_leads.db").exists()
    base = f"http://127.0.0.1:{running.port}"
    assert f"{base}/\n" in running.output
    assert f"{base}/internal/leads\n" in running.output
    assert f"{base}/setup/" in running.output
    assert running.get("/healthz") == 200


def test_files_are_their_owners_alone_and_those_of_earlier_versions_are_narrowed(server: Server) -> None:
    kept = server.folder / "instance"
    kept.mkdir(mode=0o700)
    for name in ("alma_leads.db", "alma_leads_queue.db"):  # as an earlier version left them
        with closing(sqlite3.connect(kept / name)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        (kept / name).chmod(0o644)
    server.start()
    until(server.answers, "an answer")
    files = {"resume": ("cv.pdf", pdf_bytes(), "application/pdf")}
    fields = {name: value for name, value in lead_body().items() if name != "resume_url"}
    answer = requests.post(f"http://127.0.0.1:{server.port}/public/leads", data=fields, files=files, timeout=30)
    assert answer.status_code == 201, answer.text
    found = [path for path in kept.rglob("*") if not path.is_symlink()]
    names = {path.name for path in found}
    assert {"alma_leads.db", "alma_leads.db-wal", "alma_leads.db-shm", "alma_leads_queue.db", "resumes"} <= names
    assert len([path for path in found if path.parent.name == "resumes"]) == 1
    assert [path for path in found if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGTERM, False), (signal.SIGINT, True), (signal.SIGHUP, True), (signal.SIGTERM, True)],
    ids=["SIGTERM", "Ctrl-C", "terminal closed", "SIGTERM to all"],
)
def test_it_stops_within_ten_seconds_and_leaves_nothing(running: Server, number: int, group: bool) -> None:
    assert running.stop(number, group=group) < 10
    assert "Traceback" not in running.output
    assert running.process is not None
    assert running.process.returncode == 0


def test_a_request_in_flight_is_answered_when_it_stops(running: Server) -> None:
    # Half of a request is in; the rest follows when the server is stopping already.
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        body = b'{"first_name": 1}'
        head = (
            "POST /public/leads HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode())
        time.sleep(0.3)
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        time.sleep(0.5)
        connection.sendall(body)
        connection.settimeout(8)
        answer = connection.recv(65536)
        stopping.join()
    assert answer.startswith(b"HTTP/1.1 422 "), answer
    assert "Traceback" not in running.output


def test_a_part_that_dies_is_started_again(running: Server) -> None:
    for _ in range(2):
        before = {child.pid for child in running.children()}
        for child in running.children():
            child.kill()
        until(lambda: len({c.pid for c in running.children()} - before) == 2, "two new parts")  # noqa: B023
        until(running.answers, "an answer")
    assert running.stop() < 10


def test_children_do_not_outlive_a_parent_that_was_killed(running: Server) -> None:
    children = running.children()
    assert running.process is not None
    running.process.kill()
    running.process.wait()
    running.start()  # at once: the port must be free
    _gone, alive = psutil.wait_procs(children, timeout=WITHIN_S)
    assert not alive
    until(running.answers, "an answer of the successor")
    assert running.stop() < 10


def test_a_port_in_use_is_one_clear_line(server: Server) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        server.start()
        assert server.process is not None
        assert server.process.wait(timeout=WITHIN_S) == 2
    lines = [line for line in server.output.splitlines() if not line.startswith("Wrote .env")]
    assert lines == [
        f"PORT holds {server.port}, where another program listens at 127.0.0.1; "
        "stop that one, or set PORT to a port that is free."
    ]


def test_a_wrong_setting_is_one_line(server: Server) -> None:
    server.environment["WEB_THREADS"] = "many"
    server.start()
    assert server.process is not None
    assert server.process.wait(timeout=WITHIN_S) == 2
    assert "WEB_THREADS holds 'many'" in server.output
    assert "Traceback" not in server.output


def test_a_database_that_does_not_answer_is_one_line(server: Server) -> None:
    server.environment["DATABASE_URL"] = f"postgresql+psycopg://someone:hidden@127.0.0.1:{_free_port()}/leads"
    server.start()
    assert server.process is not None
    assert server.process.wait(timeout=WITHIN_S) == 2
    assert "DATABASE_URL holds" in server.output
    assert "hidden" not in server.output
    assert "Traceback" not in server.output

"""The first administrator, however the application is started, and what each start says about odd settings."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from alma_leads.server.starting import prepare_server, unreachable
from config import ROOT, Settings
from tests.conftest import MakeSettings
from tests.support.databases import migrate
from tests.support.desk import HTML, Page, add_person, value
from tests.support.oidc import Provider

# Any WSGI server will do: this one is the standard library's.
SERVE = """
import sys
from wsgiref.simple_server import make_server
from wsgi import app
with make_server("127.0.0.1", 0, app) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
"""
SERVER = (sys.executable, "-c", SERVE)
WORKER = (sys.executable, "-m", "flask", "--app", "wsgi", "worker")
WEB = (*WORKER[:-1], "web")
WITHIN_S = 90.0  # generous, since the machine may be busy
ADMIN = {"FIRST_ADMIN_EMAIL": "rosa.delgado@firm.example", "FIRST_ADMIN_PASSWORD": "forty green umbrellas"}


def environment_of(settings: Settings) -> dict[str, str]:
    given = settings.model_dump(exclude_unset=True)
    values = {name: getattr(value, "get_secret_value", lambda value=value: value)() for name, value in given.items()}
    return {"PATH": os.environ["PATH"]} | {name: str(value) for name, value in values.items()}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Started:
    """Processes that were started at once, and what they have written."""

    def __init__(self, folder: Path, settings: Settings, *commands: tuple[str, ...]) -> None:
        self.outputs = [folder / f"output-{number}" for number, _ in enumerate(commands)]
        self.processes = []
        for command, path in zip(commands, self.outputs, strict=True):
            with path.open("w") as output:
                self.processes.append(
                    subprocess.Popen(command, cwd=ROOT, env=environment_of(settings), stdout=output, stderr=output)
                )

    @property
    def said(self) -> str:
        return "".join(path.read_text() for path in self.outputs)

    def wait_for(self, text: str, *, times: int = 1) -> None:
        deadline = time.monotonic() + WITHIN_S
        while len(re.findall(text, self.said, re.MULTILINE)) < times:
            assert time.monotonic() < deadline, f"no {text!r} in\n{self.said}"
            time.sleep(0.05)

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(timeout=15)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    made: list[Started] = []

    def begin(settings: Settings, *commands: tuple[str, ...]) -> Started:
        made.append(Started(tmp_path, settings, *commands))
        return made[-1]

    yield begin
    for each in made:
        each.stop()


def test_processes_that_start_together_offer_one_set_up_link(
    start: Callable[..., Started], settings: Settings, app: Flask
) -> None:
    started = start(settings, SERVER, WORKER)
    started.wait_for("mail worker started")
    started.wait_for(r"^\d+$")
    links = re.findall(r"http://127\.0\.0\.1:8000(/setup/[\w-]+)", started.said)
    assert len(links) == 1, started.said
    assert value(app, "SELECT count(*) FROM one_time_links") == 1
    assert Page(app.test_client().get(links[0], headers=HTML))


def test_those_who_start_together_make_one_administrator(
    make_app: Callable[[Settings], Flask], make_settings: MakeSettings, database_url: str
) -> None:
    settings = make_settings(DATABASE_URL=database_url, **ADMIN)
    apps = [make_app(settings) for _ in range(4)]
    together = threading.Barrier(len(apps))

    def begin(app: Flask) -> None:
        together.wait()
        prepare_server(app, settings)

    with ThreadPoolExecutor(len(apps)) as pool:
        list(pool.map(begin, apps))
    assert value(apps[0], "SELECT count(*) FROM users") == 1
    assert value(apps[0], "SELECT count(*) FROM audit_events") == 1
    assert value(apps[0], "SELECT count(*) FROM one_time_links") == 0


def test_what_is_not_migrated_when_it_starts_is_prepared_once_it_is(
    start: Callable[..., Started], make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(**ADMIN)
    started = start(settings, SERVER)
    started.wait_for(r"^\d+$")
    assert not (tmp_path / "leads.db").exists(), "an empty database was made"
    migrate(settings)
    (port,) = re.findall(r"^\d+$", started.said, re.MULTILINE)
    urllib.request.urlopen(f"http://127.0.0.1:{port}/login", timeout=30).close()
    with closing(sqlite3.connect(tmp_path / "leads.db")) as connection:
        assert connection.execute("SELECT email FROM users").fetchall() == [(ADMIN["FIRST_ADMIN_EMAIL"],)]


def test_a_first_password_that_cannot_be_used_stops_the_start_with_a_line(
    start: Callable[..., Started], make_settings: MakeSettings, sqlite_url: str
) -> None:
    settings = make_settings(
        DATABASE_URL=sqlite_url, PORT=free_port(), **ADMIN | {"FIRST_ADMIN_PASSWORD": "passwordpassword"}
    )
    started = start(settings, WORKER, WEB)
    assert [process.wait(timeout=WITHIN_S) for process in started.processes] == [2, 2]
    assert re.fullmatch(r"(FIRST_ADMIN_PASSWORD cannot be used: .*\n){2}", started.said)


def test_the_link_stays_the_same_from_start_to_start_and_is_announced_at_each(
    app: Flask, settings: Settings, clock: object, capfd: pytest.CaptureFixture[str]
) -> None:
    def announced() -> list[str]:
        prepare_server(app, settings)
        return re.findall(r"/setup/([\w-]+)", capfd.readouterr().err)

    first = announced()
    assert len(first) == 1
    assert announced() == []  # a neighbour that starts with it
    clock.forward(hours=23)  # type: ignore[attr-defined]
    assert announced() == first
    clock.forward(hours=23)  # type: ignore[attr-defined]
    assert Page(app.test_client().get(f"/setup/{first[0]}", headers=HTML))
    clock.forward(hours=2)  # type: ignore[attr-defined]
    again = announced()
    assert len(again) == 1
    assert again != first
    add_person(app)
    clock.forward(hours=1)  # type: ignore[attr-defined]
    assert announced() == []


def test_servers_that_do_not_answer_are_warned_of_and_stop_no_start(
    make_app: Callable[[Settings], Flask],
    make_settings: MakeSettings,
    sqlite_url: str,
    valkey_url: str,
    provider: Provider,
) -> None:
    def warned(**changes: str) -> list[str]:
        settings = make_settings(DATABASE_URL=sqlite_url, **provider.settings(), **changes)
        return list(unreachable(make_app(settings), settings))

    with socket.create_server(("127.0.0.1", 0)) as frozen:  # takes connections, and never answers
        nothing = f"redis://:hidden@127.0.0.1:{frozen.getsockname()[1]}"
        began = time.monotonic()
        lines = warned(RATE_LIMIT_STORAGE_URL=nothing, TASK_QUEUE_URL=nothing)
        assert time.monotonic() - began < 10
    assert [line.split()[0] for line in lines] == ["RATE_LIMIT_STORAGE_URL", "TASK_QUEUE_URL"]
    assert "hidden" not in "".join(lines)
    assert warned(RATE_LIMIT_STORAGE_URL=valkey_url, TASK_QUEUE_URL=valkey_url) == []
    provider.description["issuer"] = "https://elsewhere.example"
    (line,) = warned()
    assert "https://elsewhere.example" in line
    provider.down = True
    (line,) = warned()
    assert line.startswith("OIDC_ISSUER names a provider that cannot be used")

"""Rows 3, 9, 11 and 12: mail servers that misbehave, delivery beside raw `smtplib`, idling, and starting."""

from __future__ import annotations

import argparse
import secrets
import signal
import smtplib
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import psutil

from bench.databases import Stores
from bench.report import Report
from bench.servers import ROOT, app_environment, flask, folder, free_port, load, percentile, server, wait_for
from bench.writes import POST

MESSAGES = 2000


@contextmanager
def sink(mode: str, path: Path) -> Iterator[tuple[int, Path]]:
    """Run an SMTP server; yield its port and the file of what it has taken. "down" runs none."""
    port, file = free_port(), path / f"taken-{secrets.token_hex(3)}"
    file.touch()
    if mode == "down":
        yield port, file
        return
    process = subprocess.Popen([sys.executable, "-m", "bench.sink", str(port), mode, str(file)], cwd=ROOT)  # noqa: S603
    try:
        wait_for(port)
        yield port, file
    finally:
        process.kill()
        process.wait()


@contextmanager
def worker(environment: dict[str, str]) -> Iterator[None]:
    """Run the mail worker."""
    process = subprocess.Popen([sys.executable, "-m", "flask", "--app", "wsgi", "worker"], cwd=ROOT, env=environment)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def measure(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Measure the rows."""
    _misbehaving(report, stores, options)
    for kind in ("sqlite", "postgresql"):
        _speed(report, stores, kind)
    _start_and_idle(report)


def _misbehaving(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Row 3: healthy and ill-behaved servers in turn, so that a machine that drifts does so for both."""
    modes = ("down", "silent", "slow", "refusing", "busy")
    times: dict[str, list[float]] = {mode: [] for mode in ("well", *modes)}
    with folder() as path:
        for _ in range(options.rounds):
            for mode in times:
                with sink(mode, path) as (port, _file):
                    environment = app_environment(
                        stores.sqlite(), path, SMTP_HOST="127.0.0.1", SMTP_PORT=str(port), SMTP_SECURITY="none"
                    )
                    environment["TASK_QUEUE_URL"] = f"sqlite:///{path}/tasks-{secrets.token_hex(3)}.db"
                    flask(environment, "db", "upgrade")
                    with server("wsgi:app", environment) as ours, worker(environment):
                        load(ours, **POST, seconds=1)
                        measured = load(ours, **POST, tag="y", clients=4, seconds=options.seconds)
                        times[mode].append(percentile(measured, 0.99))
    healthy = statistics.median(times["well"])
    for mode in modes:
        ratios = [value / healthy for value in times[mode]]
        work = f"p99 of POST, mail server {mode}: times a healthy one's ({healthy:.0f} ms)"
        report.ratio("3", work, ratios, goal=1.2, at_most=True)


def _message() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "intake@firm.test", "a@example.com", "We have your details"
    message["Message-ID"] = f"<{secrets.token_hex(16)}@firm.test>"
    message.set_content("Hello,\n" * 40)
    message.add_alternative("<p>Hello,</p>" * 120, subtype="html")
    return message


def _speed(report: Report, stores: Stores, kind: str) -> None:
    """Row 9: the same number of messages, delivered by us and by a loop over `smtplib`."""
    with folder() as path, sink("well", path) as (port, file):
        begin = time.perf_counter()
        with smtplib.SMTP("127.0.0.1", port) as connection:
            for _ in range(MESSAGES):
                connection.send_message(_message())
        bare = MESSAGES / (time.perf_counter() - begin)
        before = len(file.read_bytes().splitlines())
        environment = app_environment(
            stores.make(kind), path, SMTP_HOST="127.0.0.1", SMTP_PORT=str(port), SMTP_SECURITY="none"
        )
        flask(environment, "db", "upgrade")
        with server("wsgi:app", environment) as ours:
            stored = 0
            while stored < MESSAGES / 2:
                stored += len(load(ours, **POST, tag=secrets.token_hex(3), seconds=2)["latencies"])
        with worker(environment):
            while not (first := len(file.read_bytes().splitlines()) - before):
                time.sleep(0.01)
            begin = time.perf_counter()
            while len(file.read_bytes().splitlines()) - before < MESSAGES:
                time.sleep(0.01)
            rate = (MESSAGES - first) / (time.perf_counter() - begin)
    report.ratio("9", f"delivery, {kind}: share of raw smtplib ({rate:.0f}/s : {bare:.0f}/s)", [rate / bare], goal=0.6)


def _start_and_idle(report: Report) -> None:
    """Rows 11 and 12: `make run` in an installed checkout, until the first answer; and then nothing to do."""
    with folder() as path:
        port = free_port()
        environment = app_environment(f"sqlite:///{path}/app.db", path, PORT=str(port))
        begin = time.perf_counter()
        process = subprocess.Popen(["make", "run"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)  # noqa: S607
        try:
            _first_answer(port)
            report_start = time.perf_counter() - begin
            time.sleep(6)
            tree = psutil.Process(process.pid).children(recursive=True)
            python = [each for each in tree if "python" in each.name()]
            memory = sum(each.memory_full_info().pss for each in python) / 1024**2
            busy = sum(sum(each.cpu_times()[:2]) for each in python)
            time.sleep(10)
            busy = (sum(sum(each.cpu_times()[:2]) for each in python) - busy) / 10
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
    report.add(
        "12",
        "make run to the first answer",
        measured=f"{report_start:.1f} s",
        goal="≤ 2.5 s",
        reached=report_start <= 2.5,
    )
    report.add(
        "11",
        f"idle: all {len(python)} processes together",
        measured=f"{memory:.0f} MB",
        goal="≤ 170 MB",
        reached=memory <= 170,
    )
    report.add("11", "idle: CPU", measured=f"{100 * busy:.1f} %", goal="< 1 %", reached=busy < 0.01)


def _first_answer(port: int) -> None:
    for _ in range(2000):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                answer.read()
            return
        except OSError:
            time.sleep(0.01)
    raise TimeoutError("make run did not answer.")

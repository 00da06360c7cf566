"""Starting and stopping what is measured: the floor and the application under the same server, PostgreSQL, SMTP."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
KEY = "bench-" + secrets.token_hex(16)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(port: int, *, seconds: float = 20) -> float:
    """Wait until something listens on `port`; return the seconds that took."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return time.perf_counter() - begin
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"Nothing listens on port {port} after {seconds} s.")


def wait_until_ready(port: int, *, seconds: float = 60) -> None:
    """Wait until the application on `port` can serve: it listens before it has loaded."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"The application on port {port} is not ready after {seconds} s.")


def app_environment(database_url: str, folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of an application that keeps everything in `folder`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SMTP_", "DATABASE_"))}
    return clean | {
        "SECRET_KEY": secrets.token_hex(32),
        "INTERNAL_API_KEY": KEY,
        "DATABASE_URL": database_url,
        "TASK_QUEUE_URL": f"sqlite:///{folder}/tasks.db",
        "RESUME_STORAGE_URL": f"file://{folder}/resumes",
        "RATE_LIMIT_LEADS": "100000000 per minute",
        "RATE_LIMIT_KEY_LEADS": "100000000 per minute",
        "SENDER_EMAIL": "intake@firm.test",
        "HELPDESK_EMAIL": "help@firm.test",
        "LOG_LEVEL": "WARNING",
        "LOG_FORMAT": "json",
        **more,
    }


def flask(environment: dict[str, str], *arguments: str) -> str:
    """Run a command of the application and return what it printed."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout


@contextmanager
def server(target: str, environment: dict[str, str], *, workers: int = 1, threads: int = 8) -> Iterator[int]:
    """Serve `target`, the application or the floor, as `make run` serves; yield its port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.serve", target, "--port", str(port)]
    command += ["--workers", str(workers), "--threads", str(threads)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)  # noqa: S603
    try:
        wait_for(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@contextmanager
def product(environment: dict[str, str]) -> Iterator[tuple[int, psutil.Process]]:
    """Run all that `make run` starts; yield its port and its parent process."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "alma_leads"],
        cwd=ROOT,
        env={**environment, "PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(port, seconds=60)
        wait_until_ready(port)
        yield port, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds that a process and its children have taken so far."""
    family = [process, *process.children(recursive=True)]
    return float(sum(sum(each.cpu_times()[:2]) for each in family))


@contextmanager
def folder() -> Iterator[Path]:
    """Lend an empty folder on a real disk, with a short path."""
    path = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def load(port: int, **plan: Any) -> dict[str, Any]:
    """Load a server from a process of its own; return what `bench.load` measured."""
    plan = {"method": "GET", "headers": {}, "clients": 8, "seconds": 3, **plan, "port": port}
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, input=json.dumps(plan), capture_output=True, text=True, check=True
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    bad = {status: n for status, n in measured["statuses"].items() if int(status) not in (200, 201)}
    if bad:
        raise RuntimeError(f"{plan['path']} was refused: {bad}")
    return measured


def throughput(measured: dict[str, Any]) -> float:
    """Return answers a second."""
    return len(measured["latencies"]) / float(measured["seconds"])


def percentile(measured: dict[str, Any], share: float) -> float:
    """Return a percentile of the latencies, in ms."""
    ordered = sorted(measured["latencies"])
    return 1000 * float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])

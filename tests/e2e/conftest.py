"""The whole product as its users meet it: `serve.py` in a process of its own, a mail server, and Chromium."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import browser
from tests.support.smtp import SmtpServer

ROOT = Path(__file__).resolve().parents[2]
EMAIL = "rosa.delgado@firm.example"
WORD = "forty green umbrellas"
KEY = "a-key-of-the-story-only"


@dataclass(frozen=True)
class Product:
    """A product that runs: where it is, and the mail server that its e-mails reach."""

    url: str
    mail: SmtpServer


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Return how to start Chromium."""
    return {"executable_path": browser.executable(), "args": browser.FLAGS, "headless": True}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Return a product of its own for each module, on SQLite."""
    with run_product(tmp_path_factory.mktemp("product")) as product:
        yield product


@contextmanager
def run_product(folder: Path, **settings: str) -> Iterator[Product]:
    """Run a product that keeps everything in `folder`."""
    with SmtpServer(folder) as mail:
        port = free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")},
            "PORT": str(port),
            "SECRET_KEY": "a secret of the story only, which is long enough",
            "INTERNAL_API_KEY": KEY,
            "DATABASE_URL": f"sqlite:///{folder}/leads.db",
            "RESUME_STORAGE_URL": f"file://{folder}/resumes",
            "RATE_LIMIT_LEADS": "1000 per minute",
            "FIRST_ADMIN_EMAIL": EMAIL,
            "FIRST_ADMIN_PASSWORD": WORD,
            "LOG_FORMAT": "json",
            **{name: str(value) for name, value in mail.settings().items()},
            **settings,
        }
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "alma_leads"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, folder / "log", process)
            yield Product(url, mail)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=15)
            log.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(url: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1000):
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
    raise AssertionError(f"The product did not start:\n{log.read_text()}")

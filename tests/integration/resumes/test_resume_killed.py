"""Processes that are killed while they keep a file, and processes that one parent forks."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from alma_leads.resumes.models import Resume
from alma_leads.resumes.service import purge_unattached
from config import ROOT, Settings
from tests.integration.outbox.test_outbox_delivery import environment_of
from tests.support.desk import count, run
from tests.support.factories import large_pdf, pdf_bytes

DYING = """
import io, os, signal, sys, time
from alma_leads.app import create_app
from alma_leads.resumes import service, storage
from config import Settings

def die(*_args):
    os.kill(os.getpid(), signal.SIGKILL)

class Dying(io.BytesIO):
    "Dies while it is stored, after it has been inspected and some of it has been written."
    rounds = taken = 0

    def seek(self, where, whence=os.SEEK_SET):
        self.rounds += where == 0 and whence == os.SEEK_SET
        return super().seek(where, whence)

    def read(self, size=-1):
        self.taken += self.rounds > 2
        if self.taken > 1:  # the second part; the first one is on its way to the disk
            time.sleep(0.2)
            die()
        return super().read(size)

content = sys.stdin.buffer.read()
stream = io.BytesIO(content)
with create_app(Settings(_env_file=None)).app_context():
    when = sys.argv[1]
    if when == "before put":
        storage.put = die
    elif when == "in the middle of put":
        stream = Dying(content)
    elif when == "while discarding":
        storage.delete = die
    kept = service.keep_file(stream, file_name="a.pdf")
    if when == "while discarding":
        service.discard(kept.storage_name)
    die()
"""


def _objects(settings: Settings) -> set[str]:
    folder = Path(settings.RESUME_STORAGE_URL.removeprefix("file://"))
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize("when", ["before put", "in the middle of put", "before attach", "while discarding"])
def test_a_killed_process_leaves_nothing_that_the_sweep_does_not_find(
    app: Flask, settings: Settings, when: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DYING, when],
        cwd=ROOT,
        env=environment_of(settings),
        input=large_pdf(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert count(app, Resume) == 1
    left = _objects(settings)
    assert len(left) == (0 if when == "before put" else 1)
    assert any("#" in name for name in left) == (when == "in the middle of put")  # obstore's half-written one
    run(app, update(Resume).values(created_at=datetime(2020, 1, 1, tzinfo=UTC)))
    with app.app_context():
        assert purge_unattached(older_than=timedelta(days=1)) == 1
    assert (count(app, Resume), _objects(settings)) == (0, set())


FORKING = """
import io, os, sys
from alma_leads.app import create_app
from alma_leads.resumes import service
from config import Settings

content = sys.stdin.buffer.read()
app = create_app(Settings(_env_file=None))
for _ in range(2):
    child = os.fork()
    if child == 0:
        with app.app_context():
            kept = service.keep_file(io.BytesIO(content), file_name="a.pdf")
            os._exit(0 if b"".join(service.read(kept)) == content else 1)
    assert os.waitpid(child, 0)[1] == 0
"""


def test_servers_that_one_parent_forks_each_keep_files(app: Flask, settings: Settings) -> None:
    # obstore's threads do not survive a fork, so the parent must not have started them: not by importing either.
    subprocess.run(
        [sys.executable, "-c", FORKING],
        cwd=ROOT,
        env=environment_of(settings),
        input=pdf_bytes(),
        timeout=30,
        check=True,
    )
    assert count(app, Resume) == len(_objects(settings)) == 2

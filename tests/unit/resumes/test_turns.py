"""Whose file is inspected when: two at a time, one a client, in the order they came, and nobody waits for the dead."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from alma_leads.resumes import turns
from alma_leads.resumes.sandbox.errors import TooManyInspections
from alma_leads.resumes.turns import UnsafeFolder, person_turn, worker_turn
from config import ROOT

HOLDING = """
import sys, time
from alma_leads.resumes.turns import person_turn, worker_turn
with person_turn("here", sys.argv[1]), worker_turn("here") as ours:
    print(ours, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.3)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def elsewhere() -> Iterator[subprocess.Popen[bytes]]:
    """Return another process, which holds the worker's turn and one of client "a"."""
    with subprocess.Popen([sys.executable, "-c", HOLDING, "a"], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        yield process
        process.kill()


def test_processes_share_two_turns_and_a_client_has_one_of_them(elsewhere: subprocess.Popen[bytes]) -> None:
    with pytest.raises(TooManyInspections), person_turn("here", "a"):
        pass
    with person_turn("here", "b"), pytest.raises(TooManyInspections), person_turn("here", "c"):
        pass
    with worker_turn("here") as ours:
        assert not ours
    with person_turn("another installation", "a"), worker_turn("another installation") as ours:
        assert ours
    elsewhere.send_signal(signal.SIGKILL)
    elsewhere.wait()
    with person_turn("here", "a"), person_turn("here", "b"), worker_turn("here") as ours:
        assert ours


def test_turns_come_in_the_order_of_asking_and_a_full_client_holds_up_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 30)
    called: list[str] = []

    def ask(client: str, name: str) -> None:
        with person_turn("here", client):
            called.append(name)
            time.sleep(0.05)

    with ExitStack() as first:
        first.enter_context(person_turn("here", "a"))
        second = ExitStack()
        second.enter_context(person_turn("here", "b"))
        waiting = []
        for number, client in enumerate("aacda"):
            waiting.append(threading.Thread(target=ask, args=(client, f"{client}{number}")))
            waiting[-1].start()
            time.sleep(0.1)
        assert called == []
        second.close()
        waiting[3].join()
        assert called == ["c2", "d3"]
    for thread in waiting:
        thread.join()
    assert called == ["c2", "d3", "a0", "a1", "a4"]


def test_a_folder_that_others_may_write_to_is_not_trusted(folder: Path) -> None:
    with person_turn("here", "a"):
        [made] = folder.iterdir()
    made.chmod(0o777)
    with pytest.raises(UnsafeFolder), person_turn("here", "a"):
        pass

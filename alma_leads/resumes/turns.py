"""Take turns at inspecting files: two at a time on this machine, one per client network, first come first served.

Each waiting upload holds a ticket: a locked file whose name has a number and the client network. The kernel releases
the lock when the process ends, so that nobody waits for a process that was killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alma_leads.resumes.sandbox.errors import TooManyInspections

AT_ONCE = 2
WAIT_SECONDS = 10.0
_LOOK_EVERY_S = 0.05
_TICKET = "ticket-"


class UnsafeFolder(Exception):
    """Somebody else owns the folder of the locks, or may write to it."""


@contextmanager
def person_turn(application: str, client: str) -> Iterator[None]:
    """Wait until a file from `client` may be inspected, and hold the turn during the block.

    Args:
        application: the name of the installation, whose processes on this machine share two turns.
        client: the client network, which has one turn at a time.

    Raises:
        TooManyInspections: its turn did not come within `WAIT_SECONDS`.
    """
    folder = _folder(application)
    with _ticket(folder, client) as mine:
        until = time.monotonic() + WAIT_SECONDS
        while not _is_called(folder, mine):
            if time.monotonic() >= until:
                raise TooManyInspections
            time.sleep(_LOOK_EVERY_S)
        yield


@contextmanager
def worker_turn(application: str) -> Iterator[bool]:
    """Hold the turn that this machine's workers share during the block. Yield False if another worker has it."""
    with (_folder(application) / "worker").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def _ticket(folder: Path, client: str) -> Iterator[str]:
    with _locked(folder):
        last = max((int(name.split("-")[1]) for name in _tickets(folder)), default=0)
        name = f"{_TICKET}{last + 1:012}-{hashlib.sha256(client.encode()).hexdigest()[:16]}"
        file = (folder / name).open("x")
        fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield name
    finally:
        (folder / name).unlink(missing_ok=True)
        file.close()


def _is_called(folder: Path, mine: str) -> bool:
    """Return whether `mine` is the first ticket of its client, and its client one of the first two in line."""
    with _locked(folder):
        clients: set[str] = set()
        for name in _tickets(folder):
            client = name.split("-")[2]
            if name == mine:
                return client not in clients
            if _is_held(folder / name):
                clients.add(client)
            if len(clients) == AT_ONCE:
                return False
    return True  # somebody emptied the folder


def _is_held(path: Path) -> bool:
    """Return whether the process that holds a ticket still runs; delete the ticket if not."""
    with suppress(FileNotFoundError), path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        path.unlink(missing_ok=True)
    return False


def _tickets(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith(_TICKET))  # noqa: PTH208 -- names are enough


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder, so that nobody else takes, reads or deletes tickets meanwhile."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _folder(application: str) -> Path:
    digest = hashlib.sha256(application.encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"alma-leads-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise UnsafeFolder(f"{folder} must be a folder of this user's own, with mode 700. Remove it")
    return folder

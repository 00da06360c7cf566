"""Check and read uploaded files in a separate process with little time and memory.

qpdf and PDFium are native code that holds Python's lock: in the server's process a hostile file could stop every
request, or crash the server. In the sandbox, the worst that can happen is that the file is refused.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import IO, Literal, NamedTuple

import structlog

from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from alma_leads.resumes.sandbox.reading import Reading
from alma_leads.resumes.sandbox.sandbox_worker import UNCONFINED

log = structlog.get_logger(__name__)
WALL_SECONDS = 30
LOOK_EVERY_S = 0.2
_WORKER = Path(__file__).with_name("sandbox_worker.py")

Kind = Literal["pdf", "docx"]


class InspectionFailed(Exception):
    """The sandbox failed for a reason that is not the file's. The text is the end of its standard error."""


class Stopped(Exception):
    """The caller stopped waiting, and the process was killed."""


class _Work(NamedTuple):
    """What the sandbox runs: a function of a module in this package. Niceness as in nice(2)."""

    module: str
    function: str
    cpu_seconds: int
    niceness: int


def check_in_sandbox(file: IO[bytes], *, kind: Kind) -> None:
    """Check `file`, which must have a file descriptor, with `<kind>.check` in the sandbox.

    Raises:
        RefusedFile: the file is not acceptable; the text says why, and what to do.
        InspectionFailed: the file could not be checked.
    """
    _run(file, _Work(kind, "check", cpu_seconds=2, niceness=0), stop=None)


def read_in_sandbox(file: IO[bytes], *, kind: Kind, stop: threading.Event) -> Reading:
    """Read `file`, which must have a file descriptor, with `<kind>_reading.read` in the sandbox.

    Raises:
        RefusedFile: it cannot be read, or not within the limits.
        InspectionFailed: the sandbox failed.
        Stopped: `stop` was set.
    """
    # No user waits for this, so whatever users wait for goes first.
    work = _Work(f"{kind}_reading", "read", cpu_seconds=10, niceness=10)
    return Reading.from_bytes(_run(file, work, stop=stop))


def _run(file: IO[bytes], work: _Work, *, stop: threading.Event | None) -> bytes:
    file.seek(0)
    command = [sys.executable, "-I", str(_WORKER), *map(str, work)]
    # A session of its own, since Ctrl-C must not kill it: the server finishes the requests in progress.
    with subprocess.Popen(  # noqa: S603 -- our own interpreter, our own file, words of our own
        command,
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        close_fds=True,
        cwd="/",
        env=_environment(),
    ) as process:
        try:
            said, complained = _wait(process, stop)
        except BaseException:
            process.kill()
            raise
    if process.returncode < 0:  # a signal: out of time, or the library crashed
        raise RefusedFile(Reason.TOO_COMPLEX)
    verdict, _, answer = said.partition(b"\n")
    word = verdict.decode(errors="replace")
    if process.returncode or word not in {"FINE", *Reason.__members__}:
        raise InspectionFailed(complained.decode(errors="replace")[-2000:])
    _warn_once(*(line for line in complained.decode(errors="replace").splitlines() if line.startswith(UNCONFINED)))
    if word != "FINE":
        raise RefusedFile(Reason[word])
    return answer


def _environment() -> dict[str, str]:
    """Return what Python needs to start: the path of its library, if it was moved, and UTF-8."""
    return {"LC_ALL": "C.UTF-8"} | {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


@lru_cache(maxsize=16)
def _warn_once(*lines: str) -> None:
    for line in lines:
        log.warning("the sandbox lacks some protections", words=line)


def _wait(process: subprocess.Popen[bytes], stop: threading.Event | None) -> tuple[bytes, bytes]:
    until = time.monotonic() + WALL_SECONDS
    while (left := until - time.monotonic()) > 0:
        if stop is not None and stop.is_set():
            raise Stopped
        try:
            return process.communicate(timeout=left if stop is None else min(left, LOOK_EVERY_S))
        except subprocess.TimeoutExpired:
            continue
    raise RefusedFile(Reason.TOO_COMPLEX)

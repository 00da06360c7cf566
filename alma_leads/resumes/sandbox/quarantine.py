"""Looking at a stranger's file in a process of its own, with little time and memory. Knows what no file is made of.

qpdf and PDFium are native code that holds Python's lock: in the server's own process a hostile file could stop every
request, or end it. Here the worst it can do is to be refused.
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
from alma_leads.resumes.sandbox.inspector import UNCONFINED
from alma_leads.resumes.sandbox.reading import Reading

log = structlog.get_logger(__name__)
WALL_SECONDS = 30
LOOK_EVERY_S = 0.2
_INSPECTOR = Path(__file__).with_name("inspector.py")

Kind = Literal["pdf", "docx"]


class InspectionFailed(Exception):
    """The process that looks at files could not do so, for a reason that is not the file's. Carries its last words."""


class Stopped(Exception):
    """Nobody waits for the answer any more; the process is gone."""


class _Work(NamedTuple):
    """What the process does: a function of a module beside this one. Seconds of CPU; niceness as in nice(2)."""

    module: str
    function: str
    cpu_seconds: int
    niceness: int


def check_apart(file: IO[bytes], *, kind: Kind) -> None:
    """Let `<kind>.check` of this package look at `file`, which is open on a descriptor, in another process.

    Raises:
        RefusedFile: says why, and what to do.
        InspectionFailed: nobody knows whether the file is fine.
    """
    _run(file, _Work(kind, "check", cpu_seconds=2, niceness=0), stop=None)


def read_apart(file: IO[bytes], *, kind: Kind, stop: threading.Event) -> Reading:
    """Let `<kind>_reading.read` of this package read `file`, which is open on a descriptor, in another process.

    Raises:
        RefusedFile: it cannot be read, or not within the limits.
        InspectionFailed: nobody knows whether it can be read.
        Stopped: `stop` was set.
    """
    # Nobody waits for this, and others do for the processor.
    work = _Work(f"{kind}_reading", "read", cpu_seconds=10, niceness=10)
    return Reading.from_bytes(_run(file, work, stop=stop))


def _run(file: IO[bytes], work: _Work, *, stop: threading.Event | None) -> bytes:
    file.seek(0)
    command = [sys.executable, "-I", str(_INSPECTOR), *map(str, work)]
    # A session of its own: Ctrl-C stops the server, which finishes what it has begun.
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
    if process.returncode < 0:  # a signal: out of time, or the library fell over the file
        raise RefusedFile(Reason.TOO_COMPLEX)
    verdict, _, answer = said.partition(b"\n")
    word = verdict.decode(errors="replace")
    if process.returncode or word not in {"FINE", *Reason.__members__}:
        raise InspectionFailed(complained.decode(errors="replace")[-2000:])
    _tell_once(*(line for line in complained.decode(errors="replace").splitlines() if line.startswith(UNCONFINED)))
    if word != "FINE":
        raise RefusedFile(Reason[word])
    return answer


def _environment() -> dict[str, str]:
    """Return what Python itself needs to start: where a Python that was moved finds its own library, and UTF-8."""
    return {"LC_ALL": "C.UTF-8"} | {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


@lru_cache(maxsize=16)
def _tell_once(*lines: str) -> None:
    for line in lines:
        log.warning("files are inspected with fewer protections than intended", words=line)


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

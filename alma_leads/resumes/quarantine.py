"""Looking at a stranger's file in a process of its own, with little time and memory. Knows what no file is made of.

qpdf is native code that holds Python's lock: in the server's own process a hostile file could stop every request, or
end it. Here the worst it can do is to be refused.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO, Literal

from alma_leads.resumes.errors import Reason, RefusedFile

WALL_SECONDS = 30
_INSPECTOR = Path(__file__).with_name("inspector.py")


class InspectionFailed(Exception):
    """The process that looks at files could not do so, for a reason that is not the file's. Carries its last words."""


def check_apart(file: IO[bytes], *, kind: Literal["pdf", "docx"]) -> None:
    """Let `alma_leads.resumes.<kind>.check` look at `file`, which is open on a descriptor, in another process.

    Raises:
        RefusedFile: says why, and what to do.
        InspectionFailed: nobody knows whether the file is fine.
    """
    file.seek(0)
    command = [sys.executable, "-I", str(_INSPECTOR), kind]
    try:
        # A session of its own: Ctrl-C stops the server, which finishes what it has begun.
        ended = subprocess.run(  # noqa: S603 -- our own interpreter, our own file, one of two words
            command, stdin=file, capture_output=True, timeout=WALL_SECONDS, check=False, start_new_session=True
        )
    except subprocess.TimeoutExpired:
        raise RefusedFile(Reason.TOO_COMPLEX) from None
    if ended.returncode < 0:  # a signal: out of time, or qpdf fell over the file
        raise RefusedFile(Reason.TOO_COMPLEX)
    answer = ended.stdout.decode()
    if ended.returncode or answer not in {"FINE", *Reason.__members__}:
        raise InspectionFailed(ended.stderr.decode(errors="replace")[-2000:])
    if answer != "FINE":
        raise RefusedFile(Reason[answer])

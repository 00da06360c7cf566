"""The process that `quarantine` starts: does one thing with the file on its standard input.

It answers with FINE and, in the lines after it, what the work has returned; or with the name of a reason.
"""

from __future__ import annotations

import importlib
import os
import resource
import sys
import types
from pathlib import Path

BYTES_PER_CPU_SECOND = 10_000_000
MEMORY_BYTES = 536_870_912


def main(module: str, function: str, cpu_seconds: str, niceness: str) -> None:
    """Call `alma_leads.resumes.<module>.<function>` with standard input."""
    # The package's own __init__ is the factory and loads all of Flask; an empty one in its place does not.
    package = types.ModuleType("alma_leads")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["alma_leads"] = package
    errors = importlib.import_module("alma_leads.resumes.errors")
    work = getattr(importlib.import_module(f"alma_leads.resumes.{module}"), function)
    os.nice(int(niceness))
    _limit(int(cpu_seconds), os.fstat(0).st_size)
    try:
        answer = b"FINE\n" + (work(sys.stdin.buffer) or b"")
    except errors.RefusedFile as refused:
        answer = refused.reason.name.encode()
    except (MemoryError, RecursionError):
        answer = b"TOO_COMPLEX"
    with os.fdopen(1, "wb") as out:
        out.write(answer)
    os._exit(0)  # taking apart what a hostile file made would take time again


def _limit(cpu_seconds: int, file_bytes: int) -> None:
    seconds = cpu_seconds + file_bytes // BYTES_PER_CPU_SECOND
    memory = MEMORY_BYTES + file_bytes
    for kind, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The process that `quarantine` starts: looks at the file on its standard input, says FINE or the name of a reason."""

from __future__ import annotations

import importlib
import os
import resource
import sys
import types
from pathlib import Path

CPU_SECONDS = 2
BYTES_PER_CPU_SECOND = 10_000_000
MEMORY_BYTES = 536_870_912


def main(kind: str) -> None:
    """Check standard input with `alma_leads.resumes.<kind>`."""
    # The package's own __init__ is the factory and loads all of Flask; an empty one in its place does not.
    package = types.ModuleType("alma_leads")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["alma_leads"] = package
    errors = importlib.import_module("alma_leads.resumes.errors")
    check = importlib.import_module(f"alma_leads.resumes.{kind}").check
    _limit(os.fstat(0).st_size)
    try:
        check(sys.stdin.buffer)
        answer = "FINE"
    except errors.RefusedFile as refused:
        answer = refused.reason.name
    except (MemoryError, RecursionError):
        answer = "TOO_COMPLEX"
    os.write(1, answer.encode())
    os._exit(0)  # taking apart what a hostile file made would take time again


def _limit(file_bytes: int) -> None:
    seconds = CPU_SECONDS + file_bytes // BYTES_PER_CPU_SECOND
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
    main(sys.argv[1])

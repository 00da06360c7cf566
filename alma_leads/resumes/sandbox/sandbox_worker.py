"""The process that `sandbox_process` starts: calls one function with the file on its standard input.

It answers with FINE, followed by what the function returned, or with the name of a reason. On standard error it names
the protections that this platform lacks.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

BYTES_PER_CPU_SECOND = 10_000_000
MEMORY_BYTES = 536_870_912
UNCONFINED = "not confined by: "


def main(module: str, function: str, cpu_seconds: str, niceness: str) -> None:
    """Call `alma_leads.resumes.sandbox.<module>.<function>` with standard input."""
    package = Path(__file__).resolve().parents[2]
    sys.path.insert(0, str(package.parent))
    errors = importlib.import_module("alma_leads.resumes.sandbox.errors")
    confinement = importlib.import_module("alma_leads.resumes.sandbox.confinement")
    work = getattr(importlib.import_module(f"alma_leads.resumes.sandbox.{module}"), function)
    os.nice(int(niceness))
    file_bytes = os.fstat(0).st_size
    confinement.limit(
        cpu_seconds=int(cpu_seconds) + file_bytes // BYTES_PER_CPU_SECOND, memory_bytes=MEMORY_BYTES + file_bytes
    )
    missing = confinement.confine(package)
    if missing:
        os.write(2, f"{UNCONFINED}{', '.join(missing)}\n".encode())
    try:
        answer = b"FINE\n" + (work(sys.stdin.buffer) or b"")
    except errors.RefusedFile as refused:
        answer = refused.reason.name.encode()
    except (MemoryError, RecursionError):
        answer = b"TOO_COMPLEX"
    with os.fdopen(1, "wb") as out:
        out.write(answer)
    os._exit(0)  # freeing what a hostile file allocated would take time again


if __name__ == "__main__":
    main(*sys.argv[1:])

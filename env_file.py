"""The file `.env` that the first run writes, so that the secrets of an installation are its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from dotenv import dotenv_values

SECRETS = ("SECRET_KEY", "INTERNAL_API_KEY")
HEADER = """\
# Made by the first `make run`. Yours to edit; it is never overwritten. .env.example says what else can be set.
"""


def ensure_env_file(path: Path) -> str | None:
    """See to it that there are secrets; return a line on what was done, if anything.

    A new file can be read by its owner alone. One that is there is only added to, and only what the environment
    lacks too.
    """
    if not path.exists() and _write_new(path):
        return f"Wrote {path.name} with random secrets."
    known = dotenv_values(path)
    missing = [name for name in SECRETS if not os.environ.get(name) and not known.get(name)]
    if not missing:
        return None
    ends_a_line = path.read_bytes()[-1:] in {b"", b"\n"}
    with path.open("a") as file:
        file.write(("" if ends_a_line else "\n") + _random(missing))
    return f"Added {' and '.join(missing)} to {path.name}."


def _write_new(path: Path) -> bool:
    """Make the file, whole or not at all; return False when somebody else was quicker."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(HEADER + _random(SECRETS))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _random(names: Sequence[str]) -> str:
    return "".join(f"{name}={secrets.token_urlsafe(32)}\n" for name in names)

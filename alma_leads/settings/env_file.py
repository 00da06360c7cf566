"""The file `.env`: the first run writes it, so that an installation has its own secrets. Misspelt names are found."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

SECRETS = ("SECRET_KEY", "INTERNAL_API_KEY")
HEADER = """\
# Made by the first `make run`. Yours to edit; it is never overwritten. .env.example says what else can be set.
"""

# Names that belong to others, however close they come to ours.
FOREIGN = ("AWS_", "FLASK_", "GUNICORN_", "POSTGRES_", "PG")
# How alike (0 to 1, by difflib) a name must be to be taken for a misspelt setting. The environment is full of names
# that are no business of ours.
ALIKE_IN_FILE = 0.75
ALIKE_IN_ENVIRONMENT = 0.85


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


def misspelt(path: Path, environment: Mapping[str, str], *, known: Collection[str]) -> Iterator[str]:
    """Yield a line for each name in the file at `path` or in the environment that looks like a setting and is none.

    Values are never shown. `known` holds the names of all settings.
    """
    families = {name.partition("_")[0] for name in known if "_" in name}
    in_file = dotenv_values(path) if path.exists() else {}
    for name in in_file:
        if name not in known and not name.startswith(FOREIGN):
            meant = _closest(name, known, ALIKE_IN_FILE)
            if meant or name.upper().partition("_")[0] in families:
                yield f"{name} in {path.name} is not a setting.{_did_you_mean(meant)}"
    for name in sorted(environment.keys() - in_file.keys()):
        if name not in known and not name.startswith(FOREIGN):
            meant = _closest(name, known, ALIKE_IN_ENVIRONMENT)
            if meant:
                yield f"{name} in the environment is not a setting.{_did_you_mean(meant)}"


def _closest(name: str, known: Collection[str], alike: float) -> str | None:
    # Four letters are like too much: SPORT, PORTS, HOSTS.
    candidates = [each for each in known if len(each) > 4 or each == name.upper()]
    return next(iter(get_close_matches(name.upper(), candidates, n=1, cutoff=alike)), None)


def _did_you_mean(name: str | None) -> str:
    return f" Did you mean {name}?" if name else ""


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

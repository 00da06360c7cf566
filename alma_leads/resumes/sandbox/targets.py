"""Where a link or a reference in a file leads: to a file on another machine, or somewhere harmless."""

from __future__ import annotations

import re
from urllib.parse import unquote

# Paths on the disk of whoever wrote the file, as Word notes them. Nothing is there on ours.
_OWN_DISK = re.compile(
    r"(file:(///?)?)?[A-Z]:[/\\](?![/\\])|(file:(//)?)?/(Users|home|private|var|tmp|Applications)/(?!/)|[\w. -]+$",
    re.IGNORECASE,
)
# Schemes by which a click opens a file of another machine, or runs something.
_OF_FILES = re.compile(
    r"(file|smb|cifs|nfs|afp|davs?|webdav|javascript|vbscript|data|search-ms|ms-[\w-]+):", re.IGNORECASE
)
_SHARE = re.compile(r"([\\/]){2}")


def is_on_own_disk(target: str) -> bool:
    """Return whether a target is a path on the disk of whoever wrote the file, or a bare file name."""
    return _OWN_DISK.match(unquote(target).strip()) is not None


def leads_to_file(target: str) -> bool:
    """Return whether a link opens a file on another machine (a share, a file server), or is a program."""
    if is_on_own_disk(target):
        return False
    target = unquote(target).strip()
    return _OF_FILES.match(target) is not None or _SHARE.match(target) is not None

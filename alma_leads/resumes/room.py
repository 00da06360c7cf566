"""Keep a reserve of disk free where files are kept: uploads must not take what the database needs."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError as StorageError

from alma_leads.resumes.sandbox.errors import NoRoom

GIBIBYTE = 1_073_741_824
SHARE_OF_DISK = 20  # a 20th: 5 %
_FULL = {errno.ENOSPC, errno.EDQUOT}


def missing_bytes(url: str, reserve_bytes: int | None) -> int:
    """Return how many bytes have to be freed before files are taken again; 0 if there is room.

    Args:
        url: where files are kept. Only a folder has a reserve.
        reserve_bytes: how much must stay free. None: 1 GiB, or 5 % of the disk if that is less.
    """
    if not url.startswith("file://"):
        return 0
    try:
        disk = shutil.disk_usage(url.removeprefix("file://"))
    except OSError:  # no such folder yet, or none any more, which storing a file will tell
        return 0
    reserve = min(GIBIBYTE, disk.total // SHARE_OF_DISK) if reserve_bytes is None else reserve_bytes
    return max(0, reserve - disk.free)


def is_disk_full(error: BaseException) -> bool:
    """Return whether something failed because a disk, or a user's part of it, is full."""
    if isinstance(error, StorageError):  # which has the number in its text only
        return any(f"os error {number}" in str(error) for number in _FULL)
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def disk_full_is_no_room() -> Iterator[None]:
    """Raise `NoRoom` in place of what a full disk makes fail in the block."""
    try:
        yield
    except (OSError, StorageError) as error:
        if is_disk_full(error):
            raise NoRoom from error
        raise

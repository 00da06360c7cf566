"""Keep a reserve of free disk space where files are stored: uploads must not take what the database needs."""

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
    """Return how many bytes have to be freed before files are accepted again; 0 if there is enough space.

    Args:
        url: where files are stored. Only a folder has a reserve.
        reserve_bytes: how much must stay free. None: 1 GiB, or 5 % of the disk if that is less.
    """
    if not url.startswith("file://"):
        return 0
    try:
        disk = shutil.disk_usage(url.removeprefix("file://"))
    except OSError:  # the folder does not exist: storing a file will fail and say so
        return 0
    reserve = min(GIBIBYTE, disk.total // SHARE_OF_DISK) if reserve_bytes is None else reserve_bytes
    return max(0, reserve - disk.free)


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error means that a disk or a quota is full."""
    if isinstance(error, StorageError):  # has the error number only in its text
        return any(f"os error {number}" in str(error) for number in _FULL)
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def disk_full_is_no_room() -> Iterator[None]:
    """Raise `NoRoom` instead of the error with which the block fails on a full disk."""
    try:
        yield
    except (OSError, StorageError) as error:
        if is_disk_full(error):
            raise NoRoom from error
        raise

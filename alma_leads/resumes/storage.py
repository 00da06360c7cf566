"""Store files in a folder outside the web root or in S3, with obstore."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from alma_leads.database.deadlines import Outage
from alma_leads.resumes.sandbox.errors import StoreSilent

log = structlog.get_logger(__name__)
CHUNK_BYTES = 262_144
# Larger files are sent in parts of this size, the smallest that S3 accepts.
PART_BYTES = 5_242_880
# A request waits for the answer, and an error is better than a browser or a proxy that gives up. An attempt ends when
# no byte moved for SILENCE, and none begins after RETRY_FOR: a silent S3 costs less than 20 s in all.
SILENCE = timedelta(seconds=7)
CONNECT_TIMEOUT = timedelta(seconds=3)
RETRY_FOR = timedelta(seconds=9)
# Downloads can be slow.
TIMEOUT = timedelta(minutes=10)
# After such an attempt S3 is left alone for a while, so that uploads do not hold every thread.
PAUSE_S = 5.0
_outage = Outage(PAUSE_S)


@dataclass(frozen=True, slots=True)
class _Place:
    store: ObjectStore
    folder: Path | None


def put(url: str, name: str, stream: IO[bytes]) -> None:
    """Store the seekable `stream` from its start, in parts. In a folder, it is on disk when this returns."""
    place = _place(url, os.getpid())
    stream.seek(0)
    with _asking(place):
        obstore.put(place.store, name, stream, chunk_size=PART_BYTES, max_concurrency=2)
    if place.folder is not None:
        for path in (place.folder / name, place.folder):
            _flush(path)


def read(url: str, name: str) -> Iterator[bytes]:
    """Open a stored object, and yield it in pieces.

    Raises:
        FileNotFoundError: it does not exist.
    """
    place = _place(url, os.getpid())
    with _asking(place):
        found = obstore.get(place.store, name)
    return (bytes(chunk) for chunk in found.stream(min_chunk_size=CHUNK_BYTES))


def delete(url: str, name: str) -> None:
    """Delete an object, and what a killed process left of it. One that does not exist is no error."""
    place = _place(url, os.getpid())
    with suppress(FileNotFoundError), _asking(place):
        obstore.delete(place.store, name)
    if place.folder is not None:
        for staged in place.folder.glob(f"{name}#*"):  # obstore writes there first, and renames
            staged.unlink(missing_ok=True)


@contextmanager
def _asking(place: _Place) -> Iterator[None]:
    """Use the store in the block, unless it is an S3 that did not answer a moment ago.

    Raises:
        StoreSilent: it did not answer a moment ago.
    """
    if place.folder is not None:
        yield
        return
    if not _outage.may_ask():
        raise StoreSilent("no answer a moment ago")
    began = time.monotonic()
    try:
        yield
    except BaseError as error:
        if time.monotonic() - began >= SILENCE.total_seconds():
            if _outage.begins():
                log.warning("file store does not answer", error=str(error).partition("\n")[0])
            raise
        _outage.ends()
        raise
    if _outage.ends():
        log.warning("file store answers again")


@lru_cache(maxsize=8)
def _place(url: str, _pid: int) -> _Place:
    # One per process: obstore's threads do not survive a fork.
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return _Place(_bucket(parts.netloc, parts.path.strip("/")), None)
    folder = Path(url.removeprefix("file://"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(PermissionError):  # somebody else's folder: its owner decides who may read it
        folder.chmod(0o700)
    return _Place(LocalStore(folder), folder)


def _bucket(bucket: str, prefix: str) -> ObjectStore:
    # Credentials, region and endpoint come from AWS_*, which obstore reads itself.
    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return S3Store(
        bucket,
        prefix=prefix or None,
        client_options={
            "timeout": TIMEOUT,
            "read_timeout": SILENCE,
            "connect_timeout": CONNECT_TIMEOUT,
            "allow_http": plain,
        },
        retry_config={"max_retries": 1, "retry_timeout": RETRY_FOR},
    )


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

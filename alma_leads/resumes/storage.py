"""Where files are kept: a folder outside the web root, or S3. obstore does the work; names mean nothing here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import obstore
from obstore.store import LocalStore, ObjectStore, S3Store

CHUNK_BYTES = 262_144
# What is larger is sent in parts of this size; S3 takes none smaller.
PART_BYTES = 5_242_880
# A request waits for the answer: better an error than a browser that gives up.
TIMEOUT = timedelta(seconds=20)
CONNECT_TIMEOUT = timedelta(seconds=3)
RETRY_FOR = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class _Place:
    store: ObjectStore
    folder: Path | None


def put(url: str, name: str, stream: IO[bytes]) -> None:
    """Store what the seekable `stream` holds from its start, in parts. It is on disk when this returns."""
    place = _place(url, os.getpid())
    stream.seek(0)
    obstore.put(place.store, name, stream, chunk_size=PART_BYTES, max_concurrency=2)
    if place.folder is not None:
        for path in (place.folder / name, place.folder):
            _flush(path)


def read(url: str, name: str) -> Iterator[bytes]:
    """Yield a stored object in pieces. Opens it at once.

    Raises:
        FileNotFoundError: there is none.
    """
    found = obstore.get(_place(url, os.getpid()).store, name)
    return (bytes(chunk) for chunk in found.stream(min_chunk_size=CHUNK_BYTES))


def delete(url: str, name: str) -> None:
    """Remove an object, and what a killed process left of it. One that is not there is no error."""
    place = _place(url, os.getpid())
    with suppress(FileNotFoundError):
        obstore.delete(place.store, name)
    if place.folder is not None:
        for staged in place.folder.glob(f"{name}#*"):  # obstore writes there first, and renames
            staged.unlink(missing_ok=True)


@lru_cache(maxsize=8)
def _place(url: str, _pid: int) -> _Place:
    # One for each process: obstore's own threads do not survive a fork.
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return _Place(_bucket(parts.netloc, parts.path.strip("/")), None)
    folder = Path(url.removeprefix("file://"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(PermissionError):  # somebody else's folder: they decide who may look into it
        folder.chmod(0o700)
    return _Place(LocalStore(folder), folder)


def _bucket(bucket: str, prefix: str) -> ObjectStore:
    # Credentials, region and endpoint come from AWS_*, which obstore reads itself.
    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return S3Store(
        bucket,
        prefix=prefix or None,
        client_options={"timeout": TIMEOUT, "connect_timeout": CONNECT_TIMEOUT, "allow_http": plain},
        retry_config={"max_retries": 3, "retry_timeout": RETRY_FOR},
    )


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

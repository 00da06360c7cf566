"""Where files are kept: a folder outside the web root, or S3. obstore does the work; names mean nothing here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, BinaryIO, cast
from urllib.parse import urlsplit

import obstore
from obstore.store import LocalStore, ObjectStore, S3Store

CHUNK_BYTES = 262_144


def put(url: str, name: str, stream: IO[bytes]) -> None:
    """Store what `stream` holds from its start, in pieces."""
    stream.seek(0)
    obstore.put(_store(url, os.getpid()), name, cast(BinaryIO, stream))


def read(url: str, name: str) -> Iterator[bytes]:
    """Yield a stored object in pieces. Opens it at once.

    Raises:
        FileNotFoundError: there is none.
    """
    found = obstore.get(_store(url, os.getpid()), name)
    return (bytes(chunk) for chunk in found.stream(min_chunk_size=CHUNK_BYTES))


def delete(url: str, name: str) -> None:
    """Remove an object. One that is not there is no error."""
    with suppress(FileNotFoundError):
        obstore.delete(_store(url, os.getpid()), name)


@lru_cache(maxsize=8)
def _store(url: str, _pid: int) -> ObjectStore:
    # One for each process: obstore's own threads do not survive a fork.
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return S3Store.from_url(url)
    folder = Path(url.removeprefix("file://"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LocalStore(folder)

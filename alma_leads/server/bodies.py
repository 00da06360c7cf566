"""Collecting a request's body before the application sees it: bounded in size, in time, and in all bodies together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from alma_leads.resumes.disk_space import is_disk_full
from alma_leads.resumes.sandbox.errors import NoRoom
from alma_leads.server.connections import Connection
from alma_leads.web.requests.form_parser import MAX_BODY_BYTES

# A body may take this long in all, and longer the more of it has arrived: 10 kB a second is enough.
PATIENCE_S = 30
BYTES_PER_SECOND = 10_000
IN_MEMORY_BYTES = 262_144
LINGER_S = 2
FOR_SMALL_BYTES = 33_554_432

Receive = Callable[[], Awaitable[Any]]


class ClientGone(Exception):
    """The client hung up before its request was complete."""


class BodyRefused(Exception):
    """The body cannot be used. `status` is the answer's."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Room:
    """How many bytes of bodies are held at once, in all and for one client. Large ones leave some to small ones."""

    def __init__(self, *, total: int, per_client: int) -> None:
        self._free = total
        self._per_client = per_client
        self._held: Counter[str] = Counter()

    @contextmanager
    def hold(self, client: str, size: int) -> Iterator[None]:
        """Hold room for `size` bytes until the block ends.

        Raises:
            BodyRefused: there is none (503).
        """
        # One body always fits, so that a client is not refused for its size alone.
        free = self._free if size <= MAX_BODY_BYTES else self._free - FOR_SMALL_BYTES
        if size > free or (self._held[client] and self._held[client] + size > self._per_client):
            raise BodyRefused(HTTPStatus.SERVICE_UNAVAILABLE, "Too many uploads are arriving. Try again in a moment.")
        self._free -= size
        self._held[client] += size
        try:
            yield
        finally:
            self._free += size
            self._held[client] -= size
            if not self._held[client]:
                del self._held[client]


async def collect(receive: Receive, connection: Connection, *, limit: int, discard: int = 0) -> tuple[IO[bytes], int]:
    """Return a file that holds the body, at its start, and its size in bytes.

    Args:
        receive: the ASGI callable.
        connection: what the request came over.
        limit: the most bytes to keep.
        discard: how many more bytes to read and throw away. Then the file is cut off and its size is `limit` + 1.

    Raises:
        BodyRefused: too large (413), too slow (408), cut off by the client (400), or there is no disk for it (507).
        ClientGone: nobody waits for an answer.
    """
    body = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 -- the caller's, who closes it
    try:
        size = await _fill(body, receive, connection, limit=limit, discard=discard)
    except BaseException:
        with suppress(OSError):  # on a full disk, closing fails as writing did
            body.close()
        raise
    body.seek(0)
    return body, size


async def _fill(body: IO[bytes], receive: Receive, connection: Connection, *, limit: int, discard: int) -> int:
    loop = asyncio.get_running_loop()
    began = loop.time()
    kept = arrived = 0
    while True:
        try:
            async with asyncio.timeout_at(began + PATIENCE_S + arrived / BYTES_PER_SECOND) as deadline:
                connection.body_deadline = deadline
                message = await receive()
        except TimeoutError:
            if connection.ended.is_set():
                raise BodyRefused(HTTPStatus.BAD_REQUEST, "The body ended before it was complete.") from None
            raise BodyRefused(HTTPStatus.REQUEST_TIMEOUT, "The body took too long to arrive.") from None
        finally:
            connection.body_deadline = None
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        arrived += len(chunk)
        if arrived > limit + discard:
            raise BodyRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(limit))
        try:
            body.write(chunk[: max(0, limit - kept)])
        except OSError as error:
            if is_disk_full(error):
                raise BodyRefused(HTTPStatus.INSUFFICIENT_STORAGE, str(NoRoom())) from error
            raise
        kept = min(limit, arrived)
        if not message.get("more_body"):
            return arrived if arrived <= limit else limit + 1


def too_large(limit: int) -> str:
    """Return what to tell a client whose body has more than `limit` bytes."""
    return f"The body is larger than {limit:,} bytes, which is the most that is taken here."


async def linger(receive: Receive, connection: Connection) -> None:
    """Read on for a moment and throw it away, so that a client that still sends sees the answer it got."""
    if connection.ended.is_set():
        return
    try:
        async with asyncio.timeout(LINGER_S) as deadline:
            connection.body_deadline = deadline
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
    except TimeoutError:
        return
    finally:
        connection.body_deadline = None

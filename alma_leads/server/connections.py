"""What uvicorn leaves open about connections: deadlines for request heads, their size, and how many there may be.

A connection is a subclass of uvicorn's documented choice for `http`, and adds to what asyncio calls on every protocol
(`connection_made`, `data_received`, `eof_received`, `connection_lost`).
"""

from __future__ import annotations

import asyncio
import enum
import resource
from collections import Counter
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 30  # for the whole of a request's head, and for an idle connection before its first
HEAD_BYTES = 65_536
# Requests that a client sends without waiting for answers are read a few at a time: reading a thousand holds the event
# loop, and with many such clients everyone else waits.
PIECE_BYTES = 4096
MOST_WAITING = 16
HELD_BYTES = 524_288
EOF_GRACE_S = 0.05
MOST_CONNECTIONS = 4096
SPARE_DESCRIPTORS = 256  # for databases, files, uploads in progress and the process itself

NOT_HTTP = b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"This is not an HTTP/1.1 request."}'


class Phase(enum.Enum):
    """What a connection is doing."""

    HEAD = enum.auto()  # waits for a request, or for the rest of its head
    BODY = enum.auto()
    ANSWER = enum.auto()


class Connections:
    """All connections of a process, by the address and port they come from."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._all: dict[tuple[str, int], Connection] = {}
        self._by_address: Counter[str] = Counter()

    def get(self, client: tuple[str, int]) -> Connection | None:
        """Return the connection from an address and port, or None when it is closed."""
        return self._all.get(client)

    def add(self, client: tuple[str, int], connection: Connection) -> None:
        """Take in a connection. Over the limit, one that does no harm to lose is closed instead."""
        if len(self._all) >= self.most:
            self._make_room()
        self._all[client] = connection
        self._by_address[client[0]] += 1

    def remove(self, client: tuple[str, int]) -> None:
        """Forget a connection that is closed."""
        if self._all.pop(client, None) is not None:
            self._by_address[client[0]] -= 1
            if not self._by_address[client[0]]:
                del self._by_address[client[0]]

    def _make_room(self) -> None:
        """Close the oldest connection of the address that has most, preferably one without a request."""
        busiest = max(self._by_address, key=lambda address: self._by_address[address])
        own = [connection for (address, _), connection in self._all.items() if address == busiest]
        idle = [connection for connection in own if connection.phase is Phase.HEAD]
        (idle or own)[0].abort()


def prepare_connections() -> Connections:
    """Let this process have as many descriptors as it may, and return an empty register that leaves some over."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + SPARE_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return Connections(max(64, allowed - SPARE_DESCRIPTORS))


class Connection(HttpToolsProtocol):
    """A client's connection, with a deadline for whatever the client has to send next."""

    register: Connections  # set by the subclass that `connections_of` makes

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.phase = Phase.HEAD
        self.is_lost = False
        self.ended = asyncio.Event()  # the client sends no more
        self.body_deadline: asyncio.Timeout | None = None
        self._unread_bytes = 0
        self._held = b""  # what has arrived and is not read yet
        self._unsent_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._address: tuple[str, int] | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._address = self.client
        if self._address is None:  # it was closed before we came to look at it
            transport.abort()
            return
        self.register.add(self._address, self)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Hand on what has arrived, unless it is too much for a head."""
        if self.phase is not Phase.BODY:
            if self._unread_bytes > HEAD_BYTES:
                self.abort()
                return
            self._unread_bytes += len(data)
        self._read(self._held + data if self._held else data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Note that a client will send no more: it may still read. Return whether the connection stays open."""
        self.ended.set()
        # Not at once: what arrived with the end is still to be read.
        self.loop.call_later(EOF_GRACE_S, self._end_body)
        return self.phase is not Phase.HEAD

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.is_lost = True
        self.ended.set()
        self._stop_waiting()
        if self._address is not None:
            self.register.remove(self._address)
        super().connection_lost(exc)

    # What the front calls

    def request_began(self) -> None:
        """Note that a request's head has arrived."""
        self._stop_waiting()
        self.phase = Phase.BODY

    def body_ended(self) -> None:
        """Note that the request is complete: what arrives now is the next one's head."""
        self.phase = Phase.ANSWER
        self._unread_bytes = 0

    def request_ended(self) -> None:
        """Note that the answer is given, and wait for the next request."""
        self.phase = Phase.HEAD
        if self.ended.is_set():
            self.transport.close()
        self._wait_for_head()

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    # What uvicorn calls

    def on_headers_complete(self) -> None:
        """Note that a head is complete, before the front hears of it: more of the body may arrive until then."""
        super().on_headers_complete()
        if self.phase is Phase.HEAD:
            self.request_began()

    def on_response_complete(self) -> None:
        """Go on with what was held back, after others have had their turn."""
        super().on_response_complete()
        if self._held:
            self.flow.pause_reading()
            self.loop.call_soon(self._read_held)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer what is no HTTP, or a body whose chunks are not, as all errors are answered."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
            return
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n"
            f"x-content-type-options: nosniff\r\ncontent-length: {len(NOT_HTTP)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + NOT_HTTP)
        self.transport.close()

    def _read(self, data: bytes) -> None:
        at = 0
        while at < len(data) and len(self.pipeline) < MOST_WAITING and not self.transport.is_closing():
            super().data_received(data[at : at + PIECE_BYTES])
            at += PIECE_BYTES
        self._held = b"" if self.transport.is_closing() else data[at:]
        if len(self._held) > HELD_BYTES:
            self.abort()
        elif self._held:
            self.flow.pause_reading()

    def _read_held(self) -> None:
        data, self._held = self._held, b""
        self._read(data)
        if not self._held:
            self.flow.resume_reading()

    def _end_body(self) -> None:
        if self.body_deadline is not None and not self.body_deadline.expired():
            self.body_deadline.reschedule(0)

    def _wait_for_head(self) -> None:
        self._unread_bytes = 0
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._timer = self.loop.call_later(HEAD_S, self._head_is_late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        """Drop the client, unless it is still taking the last answer."""
        unsent = self.transport.get_write_buffer_size()
        if 0 < unsent < self._unsent_bytes:
            self._unsent_bytes = unsent
            self._timer = self.loop.call_later(HEAD_S, self._head_is_late)
        else:
            self.abort()  # closing would wait until all is sent


def connections_of(register: Connections) -> type[Connection]:
    """Return the class of connections that `register` keeps."""
    return type("Connection", (Connection,), {"register": register})

"""The ASGI front of the application: what must hold however slow, large or many the requests of one client are.

`/healthz` is answered in the event loop. A request's body is collected under its route's bound and deadline before the
application, which is plain WSGI, is called in a thread. Threads are handed out so that one client never has them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import IO, Any

from werkzeug.http import parse_options_header

from alma_leads.common.client_address import forwarded_address, wide_network_of
from alma_leads.server.bodies import FOR_SMALL_BYTES, BodyRefused, ClientGone, Receive, Room, collect, linger, too_large
from alma_leads.server.connections import Connection, Connections
from alma_leads.server.turns import TooManyWaiting, Turns
from alma_leads.server.wsgi import STALLED_S, Call, ReaderGone, Scope, Send, make_environ
from alma_leads.web.errors.server_refusals import CUT_OFF, REFUSED
from alma_leads.web.requests.bodies import PATIENCE

# So many threads more than WEB_THREADS, which is what one client may have at most.
OTHER_CLIENTS_THREADS = 2
QUICK_THREADS = 2
WAITING_PER_CLIENT = 128
WAITING = 1024
BODIES_BYTES = 268_435_456
BODIES_PER_CLIENT_BYTES = 67_108_864

MAX_TARGET_BYTES = 8190
MAX_HEADERS = 64
MAX_HEADER_BYTES = 8190
Headers = Mapping[bytes, bytes]
ALIVE = b'{"status":"ok"}\n'
BUSY = (
    b'{"type":"about:blank","title":"Service Unavailable","status":503,'
    b'"detail":"Too many requests are waiting. Try again in a moment."}'
)
BUSY_PAGE = (
    b"<!doctype html><html lang=en><title>Too many requests are waiting</title>"
    b"<h1>Too many requests are waiting</h1><p>Go back and try again in a moment."
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may ask of a server.

    `threads` is how many requests of one client run at once. A body has at most `body_bytes`; a form with files has
    `upload_bytes` where `takes_file`, which is given method and path, says so. What `needs_no_database` has threads of
    its own, so that a database that does not answer does not hold it up. `headers` are those of every answer that the
    front gives itself.
    """

    threads: int
    trusted_proxies: int
    body_bytes: int
    upload_bytes: int
    takes_file: Callable[[str, str], bool]
    needs_no_database: Callable[[str, str], bool] = lambda _method, _path: False
    headers: Sequence[tuple[bytes, bytes]] = ()


class Pool:
    """Threads, and who may use them."""

    def __init__(self, name: str, threads: int, *, per_client: int) -> None:
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self.turns = Turns(
            threads=threads, per_client=per_client, waiting_per_client=WAITING_PER_CLIENT, waiting=WAITING
        )


class Front:
    """The ASGI application that serves `app`, a WSGI application, in one process."""

    def __init__(self, app: Any, limits: Limits, connections: Connections) -> None:
        self._app = app
        self._limits = limits
        self._connections = connections
        self._pool = Pool("web", limits.threads + OTHER_CLIENTS_THREADS, per_client=limits.threads)
        self._quick_pool = Pool("quick", QUICK_THREADS, per_client=1)
        self._room = Room(
            total=max(BODIES_BYTES, limits.upload_bytes + FOR_SMALL_BYTES), per_client=BODIES_PER_CLIENT_BYTES
        )
        # Whether the process can serve is asked while all threads are busy, too; all who ask at once get one answer.
        self._probe_thread = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self._probe: asyncio.Future[list[dict[str, Any]]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        connection = self._connections.get(scope["client"])
        if connection is None:
            return  # it was closed before its turn came
        connection.request_began()
        try:
            if scope["method"] in {"GET", "HEAD"} and scope["path"] == "/healthz":
                await _send_whole(send, 200, b"application/json", ALIVE, self._limits.headers)
            elif scope["method"] == "GET" and scope["path"] == "/readyz":
                await self._answer_probe(scope, send)
            else:
                await self._answer(Request(scope, receive, send, connection))
        except (ClientGone, ReaderGone):
            connection.abort()
            await asyncio.sleep(0)  # until uvicorn knows that no answer is missing
        finally:
            connection.request_ended()

    async def _answer_probe(self, scope: Scope, send: Send) -> None:
        if self._probe is None or self._probe.done():
            plain = [(name, value) for name, value in scope["headers"] if name in {b"host", b"user-agent"}]
            environ = make_environ(scope | {"headers": plain}, BytesIO(), 0)
            loop = asyncio.get_running_loop()
            call = Call(self._app, environ, send, loop, lambda: False)
            self._probe = loop.run_in_executor(self._probe_thread, call.run)
        await _send_all(send, await asyncio.shield(self._probe))

    async def _answer(self, request: Request) -> None:
        client = self._client(request)
        fault = request.fault()
        if request.declared == 0:
            request.connection.body_ended()
            await self._call(request, client, refused=fault)
            return
        try:
            if fault is not None:
                raise fault
            await self._answer_with_body(request, client)
        except BodyRefused as refused:
            await self._call(request, client, refused=refused)

    async def _answer_with_body(self, request: Request, client: str) -> None:
        takes_file = request.is_multipart and self._limits.takes_file(request.scope["method"], request.scope["path"])
        limit = self._limits.upload_bytes if takes_file else self._limits.body_bytes
        discard = PATIENCE * limit if takes_file else 0
        declared = request.declared
        if declared is not None and declared > limit + discard:
            raise BodyRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(limit))
        with self._room.hold(client, limit if declared is None else min(declared, limit)):
            body, size = await collect(request.receive, request.connection, limit=limit, discard=discard)
            with body:
                request.connection.body_ended()
                cut_off = size > limit
                if cut_off:
                    size = _close_multipart(body, request.headers, size=limit)
                await self._call(request, client, body=body, size=size, cut_off=cut_off)

    async def _call(
        self,
        request: Request,
        client: str,
        *,
        body: IO[bytes] | None = None,
        size: int = 0,
        cut_off: bool = False,
        refused: BodyRefused | None = None,
    ) -> None:
        """Have the application answer in a thread. `refused` says what it has to answer."""
        environ = make_environ(request.scope, body or BytesIO(), size)
        if cut_off:
            environ[CUT_OFF] = True
        if refused is not None:
            environ[REFUSED] = (refused.status, refused.detail)
        is_quick = body is None and self._limits.needs_no_database(request.scope["method"], request.scope["path"])
        pool = self._quick_pool if is_quick else self._pool
        try:
            if not await pool.turns.take(client, request.connection.ended.wait):
                raise ClientGone
        except TooManyWaiting:
            await _send_busy(request, self._limits.headers)
            return
        loop = asyncio.get_running_loop()
        call = Call(self._app, environ, request.send, loop, lambda: request.connection.is_lost)
        try:
            messages = await loop.run_in_executor(pool.threads, call.run)
        finally:
            pool.turns.give_back(client)
        if refused is not None and request.declared != 0:
            messages = _closing(messages)
            await _send_all(request.send, messages[:-1])
            await linger(request.receive, request.connection)
            messages = messages[-1:]
        await _send_all(request.send, messages)

    def _client(self, request: Request) -> str:
        """Return whom a request counts for: an address, or for IPv6 the network that one customer may have."""
        forwarded = b",".join(value for name, value in request.scope["headers"] if name == b"x-forwarded-for")
        address = forwarded_address(
            request.scope["client"][0], forwarded.decode("latin-1"), trusted_proxies=self._limits.trusted_proxies
        )
        return wide_network_of(address) or address


class Request:
    """A request as ASGI hands it over. `declared` is the length of its body in bytes, or None when it has chunks."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, connection: Connection) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.connection = connection
        self.headers: Headers = dict(scope["headers"])
        self.declared: int | None = int(self.headers.get(b"content-length", b"0"))
        if b"transfer-encoding" in self.headers:
            self.declared = None
        self.is_multipart = self.headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data")

    def fault(self) -> BodyRefused | None:
        """Return what is wrong with the head, or None."""
        scope = self.scope
        if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET_BYTES:
            return BodyRefused(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
        if len(scope["headers"]) > MAX_HEADERS or any(len(value) > MAX_HEADER_BYTES for _, value in scope["headers"]):
            return BodyRefused(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request has too many or too long headers."
            )
        hosts = sum(name == b"host" for name, _ in scope["headers"])
        if hosts > 1 or (not hosts and scope["http_version"] == "1.1"):
            return BodyRefused(HTTPStatus.BAD_REQUEST, "Send one Host header.")
        return None


def _close_multipart(body: IO[bytes], headers: Headers, *, size: int) -> int:
    """End a form that was cut off after `size` bytes, so that what came before can be read. Return the new size."""
    _, options = parse_options_header(headers[b"content-type"].decode("latin-1"))
    body.seek(size)
    size += body.write(f"\r\n--{options.get('boundary', '')}--\r\n".encode("latin-1"))
    body.seek(0)
    return size


def _closing(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return an answer after which the connection is closed, its last message empty."""
    start, *parts = messages
    start = start | {"headers": [*start["headers"], (b"connection", b"close")]}
    return [start, *[part | {"more_body": True} for part in parts], {"type": "http.response.body", "body": b""}]


async def _send_busy(request: Request, headers: Sequence[tuple[bytes, bytes]]) -> None:
    page = b"text/html" in request.headers.get(b"accept", b"")
    kind = b"text/html; charset=utf-8" if page else b"application/problem+json"
    await _send_whole(request.send, 503, kind, BUSY_PAGE if page else BUSY, [*headers, (b"retry-after", b"2")])


async def _send_whole(send: Send, status: int, kind: bytes, body: bytes, more: Sequence[tuple[bytes, bytes]]) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await _send_all(
        send,
        [
            {"type": "http.response.start", "status": status, "headers": headers},
            {"type": "http.response.body", "body": body},
        ],
    )


async def _send_all(send: Send, messages: list[dict[str, Any]]) -> None:
    try:
        async with asyncio.timeout(STALLED_S):
            for message in messages:
                await send(message)
    except TimeoutError:
        raise ReaderGone from None

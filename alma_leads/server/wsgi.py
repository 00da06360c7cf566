"""Running a WSGI application for an ASGI request: its environ, one call in a thread, its answer.

One hand-over to the event loop for each answer; only what is large is handed over in pieces, each when the one before
has left, so that a slow reader holds back the application and not the memory.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import IO, Any
from urllib.parse import unquote_to_bytes

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

WHOLE_BYTES = 1_048_576  # an answer that says it is no larger is handed over in one piece
PIECE_BYTES = 65_536
STALLED_S = 60  # a client that takes nothing for so long is gone

_NAMES: dict[bytes, str] = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


class ReaderGone(Exception):
    """The client reads no more of the answer."""


def make_environ(scope: Scope, body: IO[bytes], size: int) -> dict[str, Any]:
    """Return the environ of a request (PEP 3333) whose body of `size` bytes is in `body`."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "REMOTE_ADDR": scope["client"][0],
        "REMOTE_PORT": str(scope["client"][1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name:  # it would pass for the header with hyphens, which a proxy may have checked
            continue
        key = _NAMES.get(name) or _name(name)
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(size)
    return environ


def _name(header: bytes) -> str:
    name = "HTTP_" + header.decode("latin-1").upper().replace("-", "_")
    if len(_NAMES) < 200:  # the usual ones; a client can name any number
        _NAMES[header] = name
    return name


class Call:
    """One call of the application.

    Args:
        app: the WSGI application.
        environ: of the request.
        send: the ASGI callable.
        loop: the event loop, from a thread that is not its own.
        is_gone: says whether the client has hung up.
    """

    def __init__(
        self,
        app: Any,
        environ: dict[str, Any],
        send: Send,
        loop: asyncio.AbstractEventLoop,
        is_gone: Callable[[], bool],
    ) -> None:
        self._app = app
        self._environ = environ
        self._send = send
        self._loop = loop
        self._is_gone = is_gone
        self._start: dict[str, Any] | None = None
        self._length: int | None = None

    def run(self) -> list[dict[str, Any]]:
        """Call the application in this thread. Return the messages that are still to be sent.

        Raises:
            ReaderGone: the client hung up, or took nothing of the answer for too long.
        """
        parts = self._app(self._environ, self._start_response)
        try:
            return self._read(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()

    def _read(self, parts: Iterable[bytes]) -> list[dict[str, Any]]:
        pending: list[bytes] = []
        size = 0
        streaming = False
        for part in parts:
            pending.append(part)
            size += len(part)
            if size >= PIECE_BYTES and (streaming or self._length is None or self._length > WHOLE_BYTES):
                if not streaming:
                    self._hand_over(self._begin())
                    streaming = True
                self._hand_over(_body(b"".join(pending), more=True))
                pending, size = [], 0
        last = _body(b"".join(pending), more=False)
        return [last] if streaming else [self._begin(), last]

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        if exc_info is not None and self._start is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        self._start = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        }
        for name, value in headers:
            if name.lower() == "content-length":
                self._length = int(value)
        return self._write

    def _write(self, _data: bytes) -> object:
        raise NotImplementedError("An application returns its answer; write() is not offered here.")

    def _begin(self) -> dict[str, Any]:
        if self._start is None:
            raise RuntimeError("The application returned an answer without calling start_response.")
        return self._start

    def _hand_over(self, message: dict[str, Any]) -> None:
        if self._is_gone():
            raise ReaderGone
        try:
            asyncio.run_coroutine_threadsafe(asyncio.wait_for(self._send(message), STALLED_S), self._loop).result()
        except TimeoutError:
            raise ReaderGone from None


def _body(data: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}

"""The one client who does its worst: requests over HTTP, and what is no HTTP over plain sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.servers import KEY

SOURCE = "127.0.0.1"
GIVE_UP_S = 70.0
BOUNDARY = "hostile"


class Attacker:
    """One client, at one address."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """Return the answer to a request, its body in `.content`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GIVE_UP_S, source_address=(SOURCE, 0))
        with contextlib.closing(connection):
            connection.request(method, path, body or None, dict(headers or {}))
            answer = connection.getresponse()
            answer.content = answer.read()  # type: ignore[attr-defined]
            return answer

    def status(self, *request: Any) -> str:
        """Return the status of the answer to a request, or what became of the connection."""
        try:
            return str(self.ask(*request).status)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__

    def json(self, document: object, path: str = "/public/leads", *, key: bool = False) -> str:
        """Send JSON; return the status."""
        headers = {"Content-Type": "application/json"} | ({"X-API-Key": KEY} if key else {})
        return self.status(
            "POST", path, document if isinstance(document, bytes) else json.dumps(document).encode(), headers
        )

    def form(self, path: str, fields: Mapping[str, str], *, page: str | None = None) -> str:
        """Fill in a page's form with its CSRF token and send it; return the status."""
        shown = self.ask("GET", page or path)
        cookie = (shown.getheader("Set-Cookie") or "").split(";")[0]
        token = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', shown.content)  # type: ignore[attr-defined]
        filled = {**fields, "csrf_token": token[1].decode() if token else ""}
        return self.status("POST", path, multipart(filled), {"Content-Type": MULTIPART, "Cookie": cookie})

    def upload(self, content: bytes, name: str, **fields: str) -> str:
        """Send a lead with a file, with a key so that no limit is in the way; return the status."""
        filled = {"first_name": "Mal", "last_name": "Lory", "email": "mal@example.com"} | fields
        body = multipart(filled, [("resume", name.encode(), content)])
        return self.status("POST", "/public/leads", body, {"Content-Type": MULTIPART, "X-API-Key": KEY})

    def raw(self, request: bytes, *, end: bool = False) -> str:
        """Send bytes; return the status line's number, or what became of the connection."""
        try:
            with self.connect() as connection:
                connection.sendall(request)
                if end:
                    connection.shutdown(socket.SHUT_WR)
                head = connection.recv(65_536)
        except OSError as error:
            return type(error).__name__
        return head[9:12].decode() or "closed"

    def connect(self) -> socket.socket:
        """Return a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=GIVE_UP_S, source_address=(SOURCE, 0))

    def hold(self, number: int, started: bytes, *, seconds: float) -> str:
        """Hold connections on which `started` was sent, for some seconds; return how many were opened."""
        with contextlib.ExitStack() as stack:
            for _ in range(number):
                with contextlib.suppress(OSError):  # each may be closed at once
                    stack.enter_context(self.connect()).sendall(started)
            time.sleep(seconds)
        return f"{number} held for {seconds:.0f} s"


def at_once(number: int, do: Callable[[int], str], *, threads: int | None = None) -> str:
    """Do something many times at once, or in so many threads; return how often each answer came."""
    with ThreadPoolExecutor(threads or number) as pool:
        return counted(pool.map(do, range(number)))


def counted(answers: Iterable[str]) -> str:
    """Return how often each answer came: "201 × 2, 503 × 6"."""
    return ", ".join(f"{answer} × {number}" for answer, number in sorted(Counter(answers).items()))


MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def multipart(fields: Mapping[str, str], files: Iterable[tuple[str, bytes, bytes]] = ()) -> bytes:
    """Return a form's body; `files` are field, file name and content."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts += [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="'.encode()
        + file_name
        + b'"\r\nContent-Type: application/octet-stream\r\n\r\n'
        + content
        + b"\r\n"
        for name, file_name, content in files
    ]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()

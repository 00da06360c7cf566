"""An application behind the real server, in threads of the test, and raw connections to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alma_leads.server.front import Limits
from alma_leads.server.web import make_server

LIMITS = Limits(
    threads=4,
    trusted_proxies=0,
    body_bytes=1000,
    upload_bytes=100_000,
    takes_file=lambda method, path: (method, path) == ("POST", "/upload"),
    needs_no_database=lambda method, path: (method, path) == ("GET", "/quick"),
)


@contextmanager
def served(app: Any, limits: Limits = LIMITS) -> Iterator[int]:
    """Serve a WSGI application; yield the port, which is open at every address of loopback."""
    with socket.create_server(("0.0.0.0", 0), backlog=512) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # so that answers wait in the server, not here
        server = make_server(app, limits)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(timeout=15)


def connect(port: int, *, source: str = "127.0.0.1", timeout: float = 20) -> socket.socket:
    """Return a connection from an address of loopback, so that a test can be several clients."""
    return socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0))


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the next answer, which has a Content-Length or ends the connection."""
    with connection.makefile("rb") as file:
        status = int(file.readline().split()[1])
        headers = {}
        while line := file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        length = headers.get("content-length")
        body = file.read(int(length)) if length is not None else file.read()
        return status, headers, body


def ask(port: int, request: bytes, *, source: str = "127.0.0.1", timeout: float = 20) -> tuple[int, float]:
    """Send a request over a connection of its own; return the status of the answer and the seconds it took."""
    began = time.monotonic()
    with connect(port, source=source, timeout=timeout) as connection:
        connection.sendall(request)
        status, _, _ = read_answer(connection)
    return status, time.monotonic() - began

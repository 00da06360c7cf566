"""A closed-loop load generator over kept-alive connections: as little of its own as Python allows.

Runs in a process of its own (`python -m bench.load`), so that it does not share a lock with what it measures.
Only ever talks to loopback, and stops by itself.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import sys
import time
from collections.abc import Callable
from itertools import count

MAX_SECONDS = 120


def request_bytes(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Return an HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Client:
    """One connection with one request in flight."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.started = 0.0

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.received.clear()
        self.started = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """Read what has arrived; return the status once the whole answer is there."""
        chunk = self.socket.recv(262_144)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self.received += chunk
        head, separator, rest = self.received.partition(b"\r\n\r\n")
        if not separator:
            return None
        lower = bytes(head).lower()
        at = lower.find(b"content-length:")
        if at >= 0:
            length = int(lower[at + 15 :].split(b"\r\n", 1)[0])
            if len(rest) < length:
                return None
        elif b"chunked" in lower and not rest.endswith(b"0\r\n\r\n"):
            return None
        return int(head[9:12])


def run(port: int, *, clients: int, seconds: float, make: Callable[[int], bytes]) -> dict[str, object]:
    """Load the server; return latencies in seconds, statuses and the time that it took."""
    if seconds > MAX_SECONDS:
        raise ValueError(f"A load of more than {MAX_SECONDS} s is not meant.")
    numbers = count()
    selector = selectors.DefaultSelector()
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    begin = time.perf_counter()
    end = begin + seconds
    running = 0
    for _ in range(clients):
        client = Client(port)
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.send(make(next(numbers)))
        running += 1
    while running:
        for key, _ in selector.select(timeout=60):
            client = key.data
            status = client.receive()
            if status is None:
                continue
            now = time.perf_counter()
            latencies.append(now - client.started)
            statuses[status] = statuses.get(status, 0) + 1
            if now < end:
                client.send(make(next(numbers)))
            else:
                selector.unregister(client.socket)
                client.socket.close()
                running -= 1
    return {"latencies": latencies, "statuses": statuses, "seconds": time.perf_counter() - begin}


def main() -> None:
    """Read a plan as JSON from standard input, run it, and write what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    plan = json.load(sys.stdin)
    method, path, headers = plan["method"], plan["path"], plan["headers"]
    tag = plan.get("tag", "x")

    def make(number: int) -> bytes:
        if method != "POST":
            return fixed
        body = json.dumps(
            {
                "first_name": "Sai",
                "last_name": f"Maryada {number}",
                "email": f"load-{tag}-{number}@example.com",
                "resume_url": "https://drive.google.com/x",
            }
        ).encode()
        return request_bytes("POST", path, headers, body)

    fixed = b"" if method == "POST" else request_bytes(method, path, headers)
    measured = run(plan["port"], clients=plan["clients"], seconds=plan["seconds"], make=make)
    json.dump(measured, sys.stdout)


if __name__ == "__main__":
    main()

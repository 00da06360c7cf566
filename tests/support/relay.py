"""A process between a client and a server, which can be frozen without freezing the server for other tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Passes bytes on; argv: where the server listens ("HOST PORT", or the path of a socket). Prints its own port.
_RELAY = """
import asyncio, sys

async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

async def serve(reader, writer):
    to = sys.argv[1:]
    try:
        opened = await (asyncio.open_connection(*to) if len(to) == 2 else asyncio.open_unix_connection(to[0]))
    except OSError:
        writer.close()
        return
    await asyncio.gather(copy(reader, opened[1]), copy(opened[0], writer))

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


class Relay:
    """A relay that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.pid = process.pid
        self.port = int(process.stdout.readline())


@contextmanager
def relay(*to: str) -> Iterator[Relay]:
    """Run a relay to a server: its host and port, or the path of its socket."""
    process = subprocess.Popen([sys.executable, "-c", _RELAY, *to], stdout=subprocess.PIPE, text=True)
    try:
        yield Relay(process)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process without ending it: its sockets still accept, and nothing answers."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)

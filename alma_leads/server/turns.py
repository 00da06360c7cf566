"""Threads are handed out fairly: no client holds all of them, and those who wait are served client by client."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any


class TooManyWaiting(Exception):
    """So many requests wait for a thread that this one would wait too long."""


class Turns:
    """Who may use one of a number of threads. Belongs to one event loop.

    Args:
        threads: how many requests may run at once.
        per_client: how many of them may belong to one client.
        waiting_per_client: how many more requests of one client may wait.
        waiting: how many requests may wait in all.
    """

    def __init__(self, *, threads: int, per_client: int, waiting_per_client: int, waiting: int) -> None:
        self._free = threads
        self._per_client = per_client
        self._waiting_per_client = waiting_per_client
        self._most_waiting = waiting
        self._running: Counter[str] = Counter()
        # Clients in the order in which their next request is served.
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        self._waiting = 0

    async def take(self, client: str, gone: Callable[[], Awaitable[object]]) -> bool:
        """Wait for a thread. Return False when `gone` returned first: the client hung up.

        Raises:
            TooManyWaiting: too many requests wait already.
        """
        if self._free and client not in self._queues and self._running[client] < self._per_client:
            self._start(client)
            return True
        queue = self._queues.setdefault(client, deque())
        if len(queue) >= self._waiting_per_client or self._waiting >= self._most_waiting:
            if not queue:
                del self._queues[client]
            raise TooManyWaiting
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._waiting += 1
        hung_up = asyncio.ensure_future(gone())
        both: set[asyncio.Future[Any]] = {turn, hung_up}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if turn.done():
                self.give_back(client)
            raise
        finally:
            hung_up.cancel()
            if not turn.done():
                self._forget(client, turn)
        return turn.done()

    def give_back(self, client: str) -> None:
        """Let the next request have the thread."""
        self._free += 1
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
        for waiting, queue in self._queues.items():
            if self._running[waiting] < self._per_client:
                turn = queue.popleft()
                self._waiting -= 1
                # The next turn is another client's.
                del self._queues[waiting]
                if queue:
                    self._queues[waiting] = queue
                self._start(waiting)
                turn.set_result(None)
                return

    def _start(self, client: str) -> None:
        self._free -= 1
        self._running[client] += 1

    def _forget(self, client: str, turn: asyncio.Future[None]) -> None:
        queue = self._queues[client]
        queue.remove(turn)
        self._waiting -= 1
        if not queue:
            del self._queues[client]

"""How long the database may take, by who asks, and what to do while a server does not answer. Knows no table."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from flask import has_request_context
from sqlalchemy import Connection

# A server that did not answer is left alone for so long, except for one caller at a time who tries.
PAUSE_S = 2.0
TRY_S = 10.0


class Limits(NamedTuple):
    """Limits of a transaction, in seconds; 0 means none.

    `statement_s`, `lock_s` and `idle_s` are kept by the database: running a statement, waiting for a lock, and waiting
    for the next statement. `answer_s` is kept by us: how long we wait for a database that says nothing.
    """

    statement_s: float
    lock_s: float
    idle_s: float
    answer_s: float


REQUEST = Limits(statement_s=10, lock_s=8, idle_s=60, answer_s=15)
# A whole table, at the speed of whoever downloads it.
EXPORT = Limits(statement_s=3600, lock_s=60, idle_s=3600, answer_s=60)
BACKGROUND = Limits(statement_s=300, lock_s=60, idle_s=300, answer_s=305)
# Whoever asks whether we are ready wants to know it soon.
PROBE = Limits(statement_s=1, lock_s=1, idle_s=10, answer_s=1)
UNLIMITED = Limits(0, 0, 0, 0)


def limits_of(connection: Connection) -> Limits:
    """Return the limits of a transaction: its own (execution option `limits`), or by whether a request waits."""
    own: Limits | None = connection.get_execution_options().get("limits")
    if own is not None:
        return own
    return REQUEST if has_request_context() else BACKGROUND


class Outage:
    """Whether a server answers, so that not everyone waits to find out that it does not."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._ask_again_at: float | None = None  # None: it answers
        self._asker = 0

    def may_ask(self) -> bool:
        """Return whether to ask the server. During an outage one thread after each pause may."""
        if self._ask_again_at is None:
            return True
        with self._lock:
            now = time.monotonic()
            if self._ask_again_at is None or self._asker == threading.get_ident():
                return True
            if now < self._ask_again_at:
                return False
            self._ask_again_at, self._asker = now + TRY_S, threading.get_ident()
            return True

    def begins(self) -> bool:
        """Note that the server did not answer; return whether that is news."""
        with self._lock:
            is_news = self._ask_again_at is None
            self._ask_again_at, self._asker = time.monotonic() + self._pause_s, 0
            return is_news

    def ends(self) -> bool:
        """Note that the server answered; return whether that is news."""
        if self._ask_again_at is None:
            return False
        with self._lock:
            is_news = self._ask_again_at is not None
            self._ask_again_at, self._asker = None, 0
            return is_news

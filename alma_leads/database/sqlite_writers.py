"""SQLite's one writer at a time: a fair line in front of it, and one commit for all who stand in it. Knows no table.

SQLite's busy handler sleeps and tries again, which is unfair: the unlucky wait for hundreds of milliseconds. Here the
threads of a process queue at a lock, and processes at `flock` on a file beside the database. And since a durable commit
waits for the disk longer than all statements of a transaction take, those who wait in line join the transaction that is
open (each in a savepoint of its own) and are committed together by the last one. Nobody returns before that commit.

Nobody waits for ever: if a process is frozen while it writes, it keeps its lock, and `WritersStuck` is raised.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, NestedTransaction

from alma_leads.database.deadlines import limits_of

MAX_GROUP = 32
# Should the one who was to commit never come (its thread was interrupted), someone else does after so long.
ABANDONED_S = 1.0
# Whoever has not come to write within this time gives up; and sooner, if the one before gave up as well.
PATIENCE_S = 10.0
STUCK_PATIENCE_S = 0.25


class WritersStuck(Exception):
    """Nobody could write to the database for PATIENCE_S: another process holds it and does not go on."""


class _FileLock:
    """The lock between processes. One thread of a process asks for it at a time."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._state = threading.Lock()
        self._arrival: threading.Event | None = None  # set while a thread waits in `flock`, which knows no time-out
        self._wanted = False

    def acquire(self, timeout_s: float) -> bool:
        """Take the lock, in the order of the operating system. Return False if that took longer than `timeout_s`."""
        with self._state:
            if self._arrival is None:
                with suppress(BlockingIOError):
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                self._arrival = threading.Event()
                threading.Thread(target=self._wait, args=(self._arrival,), name="flock", daemon=True).start()
            arrival, self._wanted = self._arrival, True
        arrived = arrival.wait(timeout_s)
        with self._state:
            self._wanted = False
            if arrived or arrival.is_set():
                self._arrival = None
                return True
            return False

    def _wait(self, arrival: threading.Event) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        with self._state:
            if self._wanted:
                arrival.set()
            else:  # who asked has given up
                self._arrival = None
                self.release()

    def release(self) -> None:
        """Give the lock back."""
        fcntl.flock(self._file, fcntl.LOCK_UN)


class _Group:
    """Transactions that are committed together."""

    def __init__(self, engine: Engine, lock: _FileLock, timeout_s: float) -> None:
        self._lock = lock
        if not lock.acquire(timeout_s):
            raise WritersStuck("another process has the database and does not go on")
        try:
            self.connection = engine.connect().execution_options(begin="IMMEDIATE")
            try:
                self._whole = self.connection.begin()
            except BaseException:
                self.connection.close()
                raise
        except BaseException:
            lock.release()
            raise
        self.size = 0
        self.done = threading.Event()
        self._failure: BaseException | None = None

    @property
    def is_open(self) -> bool:
        """Whether the transaction lives. SQLite ends it when a write is interrupted, and after errors of the disk."""
        return bool(self.connection.connection.driver_connection.in_transaction)  # type: ignore[union-attr]

    def begin_member(self) -> NestedTransaction:
        """Begin one transaction of the group."""
        self.connection.info["deadline"].start(limits_of(self.connection).statement_s)
        return self.connection.begin_nested()

    def fail(self, failure: BaseException) -> None:
        """Let everyone in the group know that nothing of it is stored."""
        self._failure = self._failure or failure

    @property
    def has_failed(self) -> bool:
        """Whether nothing of the group will be stored."""
        return self._failure is not None

    def finish(self) -> None:
        """Commit, and tell everyone."""
        try:
            if self._failure is None:
                self._whole.commit()
        except BaseException as failure:  # noqa: BLE001 -- raised again by each member
            self._failure = failure
        finally:
            try:
                if self._failure is not None:
                    self._whole.rollback()
            finally:
                self.connection.close()
                self._lock.release()
                self.done.set()

    def raise_failure(self) -> None:
        """Raise what the commit failed with, if it did: then nothing of the group is stored."""
        if self._failure is not None:
            raise self._failure


class WriterLine:
    """The line in front of one database, for the threads of one process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._count = threading.Lock()
        self._waiting = 0
        self._group: _Group | None = None
        self._lock = _FileLock(f"{engine.url.database}-writer.lock")
        self._stuck = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run a transaction in turn; at the end of the block it is committed, with those of others."""
        group = self._join()
        try:
            member = group.begin_member()
            try:
                yield group.connection
            except BaseException as failure:
                if not group.is_open:
                    group.fail(failure)
                elif member.is_active:
                    member.rollback()
                raise
            member.commit()
        except BaseException as failure:
            if not group.is_open:
                group.fail(failure)
            raise
        finally:
            self._leave(group)
        while not group.done.wait(ABANDONED_S):
            self._finish_abandoned(group)
        group.raise_failure()

    def _join(self) -> _Group:
        patience_s = STUCK_PATIENCE_S if self._stuck else PATIENCE_S
        until = time.monotonic() + patience_s
        with self._count:
            self._waiting += 1
        has_turn = self._turn.acquire(timeout=patience_s)
        with self._count:
            self._waiting -= 1
        if not has_turn:
            raise WritersStuck("another thread has the database and does not go on")
        if self._group is None:
            try:
                self._group = _Group(self._engine, self._lock, max(0.0, until - time.monotonic()))
            except BaseException as failure:
                self._stuck = isinstance(failure, WritersStuck)
                self._turn.release()
                raise
            self._stuck = False
        return self._group

    def _leave(self, group: _Group) -> None:
        group.size += 1
        if self._waiting == 0 or group.size >= MAX_GROUP or group.has_failed:
            self._group = None
            group.finish()
        self._turn.release()

    def _finish_abandoned(self, group: _Group) -> None:
        with self._turn:
            if self._group is group:
                self._group = None
                group.finish()


_lines: dict[tuple[int, str], WriterLine] = {}
_making = threading.Lock()


def line_for(engine: Engine) -> WriterLine:
    """Return the line of a database. One for each process: a fork starts with an empty one."""
    key = (os.getpid(), str(engine.url.database))
    line = _lines.get(key)
    if line is None or line._engine is not engine:
        with _making:
            line = _lines.get(key)
            if line is None or line._engine is not engine:
                line = _lines[key] = WriterLine(engine)
    return line

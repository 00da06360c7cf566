"""SQLite's one writer at a time: a fair line in front of it, and one commit for all who stand in it. Knows no table.

SQLite's busy handler sleeps and tries again, which is unfair: the unlucky wait for hundreds of milliseconds. Here the
threads of a process queue at a lock, and processes at `flock` on a file beside the database. And since a durable commit
waits for the disk longer than all statements of a transaction take, those who wait in line join the transaction that is
open (each in a savepoint of its own) and are committed together by the last one. Nobody returns before that commit.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

MAX_GROUP = 32
# Should the one who was to commit never come (its thread was interrupted), someone else does after so long.
ABANDONED_S = 1.0


class _Group:
    """Transactions that are committed together."""

    def __init__(self, engine: Engine, lock_file: int) -> None:
        self._lock_file = lock_file
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        try:
            self.connection = engine.connect().execution_options(begin="IMMEDIATE")
            try:
                self._whole = self.connection.begin()
            except BaseException:
                self.connection.close()
                raise
        except BaseException:
            fcntl.flock(lock_file, fcntl.LOCK_UN)
            raise
        self.size = 0
        self.done = threading.Event()
        self._failure: BaseException | None = None

    def execute(self, statement: str) -> None:
        """Run a statement on the driver."""
        self.connection.connection.cursor().execute(statement)

    def finish(self) -> None:
        """Commit, and tell everyone."""
        try:
            self._whole.commit()
        except BaseException as failure:  # noqa: BLE001 -- raised again by each member
            self._failure = failure
            self._whole.rollback()
        finally:
            self.connection.close()
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)
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
        self._lock_file = os.open(f"{engine.url.database}-writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run a transaction in turn; at the end of the block it is committed, with those of others."""
        group = self._join()
        try:
            group.execute("SAVEPOINT member")
            try:
                yield group.connection
            except BaseException:
                group.execute("ROLLBACK TO member")
                raise
            finally:
                group.execute("RELEASE member")
        finally:
            self._leave(group)
        while not group.done.wait(ABANDONED_S):
            self._finish_abandoned(group)
        group.raise_failure()

    def _join(self) -> _Group:
        with self._count:
            self._waiting += 1
        self._turn.acquire()
        with self._count:
            self._waiting -= 1
        if self._group is None:
            try:
                self._group = _Group(self._engine, self._lock_file)
            except BaseException:
                self._turn.release()
                raise
        return self._group

    def _leave(self, group: _Group) -> None:
        group.size += 1
        if self._waiting == 0 or group.size >= MAX_GROUP:
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

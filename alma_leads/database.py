"""How this application talks to SQLite and PostgreSQL: base class, time type, write transactions, raw statements.

No table and no business rule lives here.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from psycopg.adapt import Loader
from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, String, event, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine


class Base(DeclarativeBase):
    """Base of every model. Constraint names are fixed here, so that migrations can name what they change."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def utc_now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def to_stamp(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with microseconds: fixed width, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_stamp(stamp: str) -> datetime:
    """Return the aware moment that `to_stamp` wrote."""
    return datetime.fromisoformat(stamp)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC: `timestamptz` on PostgreSQL, RFC 3339 text on SQLite, which drops time zones.

    Both drivers hand out the same text (see `_StampLoader`), so that raw statements can pass it on to JSON as it is.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of the database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """Return the stamp that is stored."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A naive datetime was given where an aware one is needed.")
        return to_stamp(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the moment that was stored."""
        return value if value is None or isinstance(value, datetime) else from_stamp(value)


class _StampLoader(Loader):
    """Load PostgreSQL's `2026-11-24 08:30:00.5+00` as the text that SQLite stores. Needs `TimeZone` to be UTC."""

    def load(self, data: Any) -> str:
        raw = bytes(data).decode("ascii")
        day, _, rest = raw.partition(" ")
        clock, _, fraction = rest.removesuffix("+00").partition(".")
        return f"{day}T{clock}.{fraction.ljust(6, '0')}Z"


class WriteLock:
    """A fair lock around SQLite's one writer.

    SQLite's busy handler sleeps and tries again, which is unfair: the unlucky wait for hundreds of milliseconds.
    A thread lock inside this process and `flock` on a file beside the database between processes queue instead.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._threads = threading.Lock()
        self._file: tuple[int, int] | None = None  # (process id, descriptor): a fork must open its own

    def _descriptor(self) -> int:
        if self._file is None or self._file[0] != os.getpid():
            self._file = (os.getpid(), os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return self._file[1]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock."""
        with self._threads:
            descriptor = self._descriptor()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)


_NAMED: dict[str, Dialect] = {"sqlite": sqlite.dialect(paramstyle="named"), "postgresql": psycopg.dialect()}
_write_locks: dict[str, WriteLock] = {}


def _write_lock(engine: Engine) -> WriteLock:
    path = f"{engine.url.database}-writer.lock"
    return _write_locks.setdefault(path, WriteLock(path))


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run a write transaction: committed at the end of the block, rolled back by any exception.

    On SQLite it waits its turn in `WriteLock` and begins IMMEDIATE; nothing slow belongs inside.
    Only `*/service.py` and `outbox/queue.py` call this; a test reads the source to see that it stays so.
    """
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            yield connection
        return
    with (
        engine.connect().execution_options(begin="IMMEDIATE") as connection,
        _write_lock(engine).held(),
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Lend a connection for reading: one consistent snapshot, nothing is kept."""
    with engine.connect() as connection:
        yield connection


class Sql:
    """A hand-written statement with `:name` parameters, compiled once for each dialect and run on the driver's cursor.

    Args:
        common: the statement; `by_dialect` gives another text for "sqlite" or "postgresql".
    """

    def __init__(self, common: str = "", **by_dialect: str) -> None:
        self._common = common
        self._by_dialect = by_dialect
        self._compiled: dict[str, str] = {}

    def compiled(self, dialect: Dialect) -> str:
        """Return the statement in the dialect's own parameter style."""
        found = self._compiled.get(dialect.name)
        if found is None:
            source = self._by_dialect.get(dialect.name, self._common)
            found = self._compiled[dialect.name] = str(text(source).compile(dialect=_NAMED[dialect.name]))
        return found

    def _cursor(self, connection: Connection, params: Mapping[str, Any]) -> Any:
        if not connection.in_transaction():
            connection.begin()
        cursor = connection.connection.cursor()
        cursor.execute(self.compiled(connection.dialect), params)
        return cursor

    def run(self, connection: Connection, **params: Any) -> int:
        """Run the statement and return the number of rows it changed."""
        cursor = self._cursor(connection, params)
        count: int = cursor.rowcount
        cursor.close()
        return count

    def rows(self, connection: Connection, **params: Any) -> Sequence[tuple[Any, ...]]:
        """Run the statement and return all of its rows."""
        cursor = self._cursor(connection, params)
        found: Sequence[tuple[Any, ...]] = cursor.fetchall()
        cursor.close()
        return found

    def each(self, connection: Connection, **params: Any) -> Iterator[tuple[Any, ...]]:
        """Run the statement and yield its rows as they are read, for callers that stop early."""
        cursor = self._cursor(connection, params)
        try:
            yield from cursor
        finally:
            cursor.close()

    def row(self, connection: Connection, **params: Any) -> tuple[Any, ...] | None:
        """Run the statement and return its first row, or None."""
        found = self.rows(connection, **params)
        return found[0] if found else None


def prepare_engine(engine: Engine) -> None:
    """Set up each new connection of `engine`: pragmas and transactions on SQLite, UTC stamps on PostgreSQL."""
    if engine.dialect.name == "sqlite":
        # sqlite3 lets go of Python's lock for each statement. At the usual 5 ms a writer would wait that long at each
        # statement for threads that only compute, while others wait for the writer.
        sys.setswitchinterval(0.0005)
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)
    else:
        event.listen(engine, "connect", _on_postgresql_connect)


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: sqlite3's own idea of when is surprising
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=10000",
        "foreign_keys=ON",
        "cache_size=-16000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _on_sqlite_begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get("begin", "DEFERRED")
    # Straight to the driver: this runs for every transaction.
    connection.connection.cursor().execute(f"BEGIN {kind}")


def _on_postgresql_connect(connection: Any, _record: Any) -> None:
    connection.adapters.register_loader("timestamptz", _StampLoader)
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()

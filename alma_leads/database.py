"""How this application speaks to its database: base class, time type, transactions, hand-written statements.

No table and no business rule lives here.
"""

from __future__ import annotations

import enum
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy import Connection, DateTime, Dialect, Engine, Enum, MetaData, String, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from alma_leads.deadlines import EXPORT, Limits
from alma_leads.postgresql import replace_connections
from alma_leads.sqlite_writers import line_for

READ_THROUGH_KIB = 2000
# A commit of SQLite writes some tens of kilobytes beside the database.
LEAST_FREE_BYTES = 262_144
_NAMED: dict[str, Dialect] = {"sqlite": sqlite.dialect(paramstyle="named"), "postgresql": psycopg.dialect()}


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


def _clock() -> datetime:
    return datetime.now(UTC)


def utc_now() -> datetime:
    """Return the present moment, aware, in UTC. The one place that asks for it: tests turn the clock behind it."""
    return _clock()


def to_stamp(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with microseconds: fixed width, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_stamp(stamp: str) -> datetime:
    """Return the aware moment that `to_stamp` wrote."""
    return datetime.fromisoformat(stamp)


def text_enum(kind: type[enum.StrEnum], *, name: str, length: int) -> Enum:
    """Return the column type of an enumeration: text with a CHECK called `name`, on both databases.

    PostgreSQL's own enumerations cannot lose a value, and SQLite has none.
    """
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC: `timestamptz` on PostgreSQL, RFC 3339 text on SQLite, which drops time zones.

    Both drivers hand out the same text (see `engine`), so that raw statements can pass it on to JSON as it is.
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


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run a write transaction: committed at the end of the block, rolled back by any exception.

    On SQLite writers stand in a fair line and share commits (see `sqlite_writers`); nothing slow belongs inside.
    Only `*service.py` and `outbox/queue.py` call this; a test reads the source to see that it stays so.
    """
    if engine.dialect.name == "sqlite":
        with line_for(engine).transaction() as connection:
            yield connection
        return
    try:
        with engine.begin() as connection:
            yield connection
    except Exception as error:
        if is_read_only(error):
            replace_connections(engine)
        raise


@contextmanager
def reading(engine: Engine, limits: Limits | None = None) -> Iterator[Connection]:
    """Lend a connection for reading: one consistent snapshot, nothing is kept."""
    with engine.connect() as connection:
        yield connection.execution_options(limits=limits) if limits else connection


@contextmanager
def reading_through(engine: Engine) -> Iterator[Connection]:
    """Lend a connection for reading a whole table: as `reading`, for longer, and with little of it kept in memory.

    SQLite would fill its cache with pages that nobody asks for again, and sorts in as much memory before it spills.
    """
    with reading(engine, EXPORT) as connection:
        if engine.dialect.name != "sqlite":
            yield connection
            return
        (usual,) = connection.exec_driver_sql("PRAGMA cache_size").one()
        connection.exec_driver_sql(f"PRAGMA cache_size=-{READ_THROUGH_KIB}")
        try:
            yield connection
        finally:
            connection.exec_driver_sql(f"PRAGMA cache_size={usual}")


def is_read_only(error: BaseException) -> bool:
    """Return whether a server refused to write because it is a standby now, as after a failover (SQLSTATE 25006)."""
    return isinstance(getattr(error, "orig", error), ReadOnlySqlTransaction)


def can_write(engine: Engine, limits: Limits) -> bool:
    """Return whether the database takes changes: not a standby, not read-only, not on a full disk.

    Raises:
        sqlalchemy.exc.DBAPIError, psycopg.Error: it cannot be reached.
    """
    if engine.dialect.name == "sqlite":
        file = Path(str(engine.url.database))
        writable = os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)
        return writable and shutil.disk_usage(file.parent).free >= LEAST_FREE_BYTES
    with reading(engine, limits) as connection:
        return connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "off"


def ensure_begun(connection: Connection) -> None:
    """Begin a transaction, with its limits, before the driver is used past SQLAlchemy."""
    if not connection.in_transaction():
        connection.begin()


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
            source = self.source(dialect.name)
            found = self._compiled[dialect.name] = str(text(source).compile(dialect=_NAMED[dialect.name]))
        return found

    def source(self, dialect_name: str) -> str:
        """Return the statement as it was written for a dialect."""
        return self._by_dialect.get(dialect_name, self._common)

    def _cursor(self, connection: Connection, params: Mapping[str, Any]) -> Any:
        ensure_begun(connection)
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


def sql_in(statement: str, *, postgresql_end: str = "") -> Sql:
    """Return a statement in which `IN :ids` means any number of values; `id_list` makes that parameter.

    `postgresql_end` stands at its end there, for locks.
    """
    return Sql(
        sqlite=statement.replace("IN :ids", "IN (SELECT value FROM json_each(:ids))"),
        postgresql=statement.replace("IN :ids", "= ANY(:ids)") + postgresql_end,
    )


def id_list(connection: Connection, values: Iterable[int | str]) -> str | list[int | str]:
    """Return numbers or texts as the one parameter that a statement of `sql_in` takes."""
    wanted = list(values)
    return orjson.dumps(wanted).decode() if connection.dialect.name == "sqlite" else wanted


Step = tuple[Sql, Mapping[str, Any]]


def run_together(connection: Connection, *steps: Step) -> None:
    """Run statements that change rows, in one round trip where that is dear: PostgreSQL gets them as one statement."""
    if connection.dialect.name == "sqlite":
        for statement, params in steps:
            statement.run(connection, **params)
        return
    together = _together(tuple(statement for statement, _ in steps))
    together.run(
        connection,
        **{f"s{number}_{name}": value for number, (_, params) in enumerate(steps) for name, value in params.items()},
    )


@lru_cache(maxsize=64)
def _together(statements: tuple[Sql, ...]) -> Sql:
    own = [
        re.sub(r"(?<!:):(\w+)", rf":s{number}_\1", statement.source("postgresql"))
        for number, statement in enumerate(statements)
    ]
    parts = [f"s{number} AS ({part})" for number, part in enumerate(own[:-1])]
    return Sql(postgresql=f"WITH {', '.join(parts)} {own[-1]}" if parts else own[-1])

"""Transactions for writing and connections for reading. No table and no business rule lives here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy import Connection, Engine

from alma_leads.database.deadlines import EXPORT, Limits
from alma_leads.database.postgresql import replace_connections
from alma_leads.database.sqlite_writers import line_for

READ_THROUGH_KIB = 2000


# A commit of SQLite writes some tens of kilobytes beside the database.
LEAST_FREE_BYTES = 262_144


@contextmanager
def transaction_on(engine: Engine) -> Iterator[Connection]:
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

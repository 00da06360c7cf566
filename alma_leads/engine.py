"""Setting up each new connection: pragmas and transactions on SQLite, UTC stamps on PostgreSQL. Knows no table."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from psycopg.adapt import Loader
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

PING_AFTER_S = 1.0
# What SQLite keeps beside a database.
_BESIDE = ("", "-wal", "-shm", "-journal")


class _StampLoader(Loader):
    """Load PostgreSQL's `2026-11-24 08:30:00.5+00` as the text that SQLite stores. Needs `TimeZone` to be UTC."""

    def load(self, data: Any) -> str:
        raw = bytes(data).decode("ascii")
        day, _, rest = raw.partition(" ")
        clock, _, fraction = rest.removesuffix("+00").partition(".")
        return f"{day}T{clock}.{fraction.ljust(6, '0')}Z"


def prepare_engine(engine: Engine) -> None:
    """Set up each new connection of `engine`: pragmas and transactions on SQLite, UTC stamps on PostgreSQL."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)
    else:
        event.listen(engine, "connect", _on_postgresql_connect)
        event.listen(engine, "checkin", _on_postgresql_checkin)
        event.listen(engine, "checkout", _on_postgresql_checkout)


def keep_private(database: str) -> None:
    """Make the files of an SQLite database readable for their owner alone, whatever made them wider."""
    for ending in _BESIDE:
        path = Path(f"{database}{ending}")
        with suppress(FileNotFoundError, PermissionError):  # somebody else's: they decide who may read it
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)


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
    keep_private(connection.execute("PRAGMA database_list").fetchone()[2])


def _on_sqlite_begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get("begin", "DEFERRED")
    # Straight to the driver: this runs for every transaction.
    connection.connection.cursor().execute(f"BEGIN {kind}")


def _on_postgresql_connect(connection: Any, _record: Any) -> None:
    connection.adapters.register_loader("timestamptz", _StampLoader)
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _on_postgresql_checkin(_connection: Any, record: Any) -> None:
    record.info["idle_since"] = time.monotonic()


def _on_postgresql_checkout(connection: Any, record: Any, _proxy: Any) -> None:
    # As `pool_pre_ping`, but not for a connection that was in use a moment ago: a server is restarted now and then,
    # and a request in between pays for a round trip each time.
    if time.monotonic() - record.info.get("idle_since", time.monotonic()) > PING_AFTER_S:
        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except Exception as error:
            raise DisconnectionError from error

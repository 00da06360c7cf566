"""Setting up each new connection: pragmas, transactions and limits on SQLite. PostgreSQL has a module of its own."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from alma_leads.database.deadlines import limits_of
from alma_leads.database.postgresql import prepare_postgresql

# How many of SQLite's instructions pass between two looks at the clock: some milliseconds.
INSTRUCTIONS = 50_000
# What SQLite keeps beside a database.
_BESIDE = ("", "-wal", "-shm", "-journal")


class Deadline:
    """Until when a connection of SQLite may work on its transaction."""

    def __init__(self) -> None:
        self._until = float("inf")

    def start(self, limit_s: float) -> None:
        """Allow `limit_s` from now; 0 means no limit."""
        self._until = time.monotonic() + limit_s if limit_s else float("inf")

    def is_over(self) -> bool:
        """Return whether the statement that runs has to be interrupted."""
        return time.monotonic() > self._until


def prepare_engine(engine: Engine) -> None:
    """Set up each new connection of `engine`: pragmas, transactions and their limits, UTC stamps."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)
    else:
        prepare_postgresql(engine)


def keep_private(database: str) -> None:
    """Make the files of an SQLite database readable for their owner alone, whatever made them wider."""
    for ending in _BESIDE:
        path = Path(f"{database}{ending}")
        with suppress(FileNotFoundError, PermissionError):  # somebody else's: they decide who may read it
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)


def _on_sqlite_connect(connection: Any, record: Any) -> None:
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
    deadline = record.info["deadline"] = Deadline()
    connection.set_progress_handler(deadline.is_over, INSTRUCTIONS)


def _on_sqlite_begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get("begin", "DEFERRED")
    connection.info["deadline"].start(limits_of(connection).statement_s)
    # Straight to the driver: this runs for every transaction.
    connection.connection.cursor().execute(f"BEGIN {kind}")

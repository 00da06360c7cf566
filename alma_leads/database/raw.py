"""Statements written by hand. They are leaving: see `docs/adr`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, Dialect, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg

from alma_leads.database.transactions import ensure_begun

_NAMED: dict[str, Dialect] = {"sqlite": sqlite.dialect(paramstyle="named"), "postgresql": psycopg.dialect()}


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

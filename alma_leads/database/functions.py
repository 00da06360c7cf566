"""Functions of SQL that SQLite and PostgreSQL name differently, or that only one of them needs. Knows no table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Connection, String, TableValuedAlias, bindparam, column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

_JSON = JSON().with_variant(JSONB(), "postgresql")


class _JsonElements(FunctionElement[Any]):
    name = "json_elements"
    inherit_cache = True


@compiles(_JsonElements, "sqlite")
def _json_elements_on_sqlite(element: _JsonElements, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_JsonElements, "postgresql")
def _json_elements_on_postgresql(element: _JsonElements, compiler: Any, **options: Any) -> str:
    return f"jsonb_array_elements({compiler.process(element.clauses, **options)})"


def json_rows(parameter: str) -> TableValuedAlias:
    """Return a table of the lists in the list given as `parameter`; read one with `.c.value[0].as_string()`.

    A statement with hundreds of `VALUES` is compiled anew for each number of them, which takes longer than running it.
    """
    elements = _JsonElements(bindparam(parameter, type_=_JSON))
    return elements.table_valued(column("value", _JSON), name=parameter)


class advisory_lock(FunctionElement[None]):  # noqa: N801 -- a function of SQL
    """Lock a name until the transaction ends. SQLite has one writer at a time and needs no such lock."""

    type = NullType()
    inherit_cache = True


@compiles(advisory_lock, "sqlite")
def _advisory_lock_on_sqlite(_element: advisory_lock, _compiler: Any, **_options: Any) -> str:
    return "NULL"


@compiles(advisory_lock, "postgresql")
def _advisory_lock_on_postgresql(element: advisory_lock, compiler: Any, **options: Any) -> str:
    return f"pg_advisory_xact_lock(hashtextextended({compiler.process(element.clauses, **options)}, 0))"


_LOCK = select(advisory_lock(bindparam("name", type_=String)))


def has_one_writer(connection: Connection) -> bool:
    """Return whether the database has one writer at a time, so that no row or name needs a lock."""
    return connection.dialect.name == "sqlite"


def lock_name(connection: Connection, name: str) -> None:
    """Lock a name until the transaction ends."""
    connection.execute(_LOCK, {"name": name})

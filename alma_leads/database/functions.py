"""Functions of SQL that SQLite and PostgreSQL name differently, or that only one of them needs. Knows no table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, TableValuedAlias, bindparam, column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

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

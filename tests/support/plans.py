"""How a database would run a query."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import Executable, Select, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

from alma_leads.common.extensions import db


class _Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, query: Select[Any]) -> None:
        self.query = query


@compiles(_Explain)
def _compile(element: _Explain, compiler: SQLCompiler, **options: Any) -> str:
    explain = "EXPLAIN QUERY PLAN" if compiler.dialect.name == "sqlite" else "EXPLAIN"
    return f"{explain} {compiler.process(element.query, **options)}"


def query_plan(app: Flask, query: Select[Any], *, with_indexes: bool = False) -> str:
    """Return the plan of a query, one step a line.

    PostgreSQL reads a table without an index if it is as small as in tests; `with_indexes` keeps it from that.
    """
    with app.app_context(), db.engine.connect() as connection:
        if with_indexes and connection.dialect.name == "postgresql":
            for way in ("enable_seqscan", "enable_bitmapscan"):
                connection.execute(select(func.set_config(way, "off", True)))
        return "\n".join(str(row[-1]) for row in connection.execute(_Explain(query)))

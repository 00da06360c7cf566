"""All leads of a filter as CSV or NDJSON, streamed in constant memory: the database makes the lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache

from sqlalchemy import Connection, Engine

from alma_leads.database import Sql, reading
from alma_leads.leads.filters import LeadFilter
from alma_leads.leads.queries import FULL_LEAD, protected_address
from alma_leads.leads.selection import Selection, select

ROWS_PER_CHUNK = 1000

_JOINS = "LEFT JOIN users u ON u.id = l.attorney_id"
_TEXTS = {
    "first_name": "l.first_name",
    "last_name": "l.last_name",
    "email": "l.email",
    "resume_url": "coalesce(l.resume_url, :files || l.id || '/resume')",
    "assigned_to": "u.email",
}
# What a spreadsheet takes for the start of a formula (OWASP, "CSV injection"); such a cell gets an apostrophe.
_FORMULA_STARTS = "=+-@＝＋－＠"


def stream_csv(engine: Engine, lead_filter: LeadFilter, *, public_url: str) -> Iterator[bytes]:
    """Yield a CSV document (RFC 4180 but for bare line feeds, UTF-8) with a header line."""
    yield (",".join(FULL_LEAD) + "\n").encode()
    yield from _stream(engine, lead_filter, public_url, kind="csv")


def stream_ndjson(engine: Engine, lead_filter: LeadFilter, *, public_url: str) -> Iterator[bytes]:
    """Yield one JSON object a line, each a full lead."""
    yield from _stream(engine, lead_filter, public_url, kind="ndjson")


def _stream(engine: Engine, lead_filter: LeadFilter, public_url: str, *, kind: str) -> Iterator[bytes]:
    with reading(engine) as connection:
        selection, params = select(connection, lead_filter.without_cursor())
        params["files"] = protected_address(public_url)
        statement = _statement(selection, kind)
        if connection.dialect.name == "postgresql":
            yield from _copy_postgresql(connection, statement, params)
        else:
            yield from _fetch_sqlite(connection, statement, params)


def _fetch_sqlite(connection: Connection, statement: Sql, params: dict[str, object]) -> Iterator[bytes]:
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute(statement.compiled(connection.dialect), params)
        while rows := cursor.fetchmany(ROWS_PER_CHUNK):
            yield "".join([line for (line,) in rows]).encode()


def _copy_postgresql(connection: Connection, statement: Sql, params: dict[str, object]) -> Iterator[bytes]:
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(statement.compiled(connection.dialect), params) as copy:
        pending, size = [], 0
        for block in copy:
            pending.append(bytes(block))
            size += len(pending[-1])
            if size > 65536:
                yield b"".join(pending)
                pending, size = [], 0
        yield b"".join(pending)


@lru_cache(maxsize=256)
def _statement(selection: Selection, kind: str) -> Sql:
    make_sqlite = _csv_line_sqlite if kind == "csv" else _json_line_sqlite
    make_postgresql = _csv_cells_postgresql if kind == "csv" else _json_cell_postgresql
    inner = selection.text(make_postgresql(), joins=_JOINS)
    # In "text" format COPY would escape backslashes; csv with these two control characters, which JSON text
    # cannot hold, passes a line through as it is.
    how = "FORMAT csv" if kind == "csv" else "FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02'"
    return Sql(
        sqlite=selection.text(make_sqlite(), joins=_JOINS),
        postgresql=_escape_binds(f"COPY ({inner}) TO STDOUT WITH ({how})"),
    )


def _escape_binds(statement: str) -> str:
    """Escape the colons of time formats, which would read as parameters."""
    return re.sub(r"HH24:MI:SS", r"HH24\\:MI\\:SS", statement)


def _neutral(expression: str, starts: str) -> str:
    return f"CASE WHEN {starts} THEN '''' || {expression} ELSE {expression} END"


def _csv_line_sqlite() -> str:
    def cell(name: str, expression: str) -> str:
        starts = f"instr('{_FORMULA_STARTS}', substr({expression}, 1, 1)) > 0 AND {expression} <> ''"
        text = expression if name == "resume_url" else f"({_neutral(expression, starts)})"
        return f"""coalesce('"' || replace({text}, '"', '""') || '"', '')"""

    plain = {
        "id": "l.id",
        "status": "l.status",
        "created_at": "l.created_at",
        "updated_at": "l.updated_at",
        "reached_out_at": "coalesce(l.reached_out_at, '')",
    }
    cells = [plain.get(name) or cell(name, _TEXTS[name]) for name in FULL_LEAD]
    return " || ',' || ".join(cells) + " || char(10)"


def _json_line_sqlite() -> str:
    values = [_TEXTS.get(name, f"l.{name}") for name in FULL_LEAD]
    pairs = ", ".join(f"'{name}', {value}" for name, value in zip(FULL_LEAD, values, strict=True))
    return f"json_object({pairs}) || char(10)"


def _stamp_postgresql(column: str) -> str:
    return f"""to_char({column}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def _value_postgresql(name: str) -> str:
    return _stamp_postgresql(f"l.{name}") if name.endswith("_at") else _TEXTS.get(name, f"l.{name}")


def _csv_cells_postgresql() -> str:
    def cell(name: str) -> str:
        value = _value_postgresql(name)
        if name not in _TEXTS or name == "resume_url":
            return value
        return _neutral(value, f"position(left({value}, 1) in '{_FORMULA_STARTS}') > 0 AND {value} <> ''")

    return ", ".join(cell(name) for name in FULL_LEAD)


def _json_cell_postgresql() -> str:
    pairs = ", ".join(f"'{name}', {_value_postgresql(name)}" for name in FULL_LEAD)
    return f"json_build_object({pairs})::text"

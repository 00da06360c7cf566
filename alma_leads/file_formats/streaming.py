"""Rows as CSV, NDJSON or XLSX, streamed in constant memory: the database itself makes them. Knows no table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection

from alma_leads.database.raw import Sql
from alma_leads.database.transactions import ensure_begun
from alma_leads.file_formats.spreadsheet import Heading, cell, workbook

ROWS_PER_CHUNK = 1000
BYTES_PER_CHUNK = 65_536
# What a spreadsheet takes for the start of a formula (OWASP, "CSV injection"); such a cell gets an apostrophe.
FORMULA_STARTS = "=+@＝＋－＠-"  # the hyphen last: in SQLite's pattern it would mean a range elsewhere

Format = Literal["csv", "ndjson", "xlsx"]
CONTENT_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
Kind = Literal["number", "word", "moment", "text", "address", "json"]
_WIDTHS: dict[Kind, int] = {"number": 9, "word": 14, "moment": 20, "text": 24, "address": 48, "json": 48}


class Column(NamedTuple):
    """A column of an export: its name, and the SQL of its value on each database.

    `kind` says what the value may be: a number, a word of ours, a moment, text that people typed, an address (text that
    cannot start a formula), or the text of a JSON document.
    """

    name: str
    sqlite: str
    postgresql: str
    kind: Kind = "word"


def moment(name: str, column: str) -> Column:
    """Return the column of a moment, which both databases write as RFC 3339."""
    # The colons are escaped: they would read as parameters.
    return Column(name, column, rf"""to_char({column}, 'YYYY-MM-DD"T"HH24\:MI\:SS.US"Z"')""", "moment")


def document(columns: Sequence[Column], rows: Iterator[bytes], *, kind: Format, title: str) -> Iterator[bytes]:
    """Yield the whole document of the rows that `stream` yields. `title` is what a spreadsheet's sheet is called."""
    if kind == "xlsx":
        yield from workbook(title, [_heading(column) for column in columns], rows)
        return
    if kind == "csv":
        yield _header(columns)
    yield from rows


def _heading(column: Column) -> Heading:
    # A date in a spreadsheet has no zone.
    return Heading(f"{column.name} (UTC)" if column.kind == "moment" else column.name, _WIDTHS[column.kind])


def _header(columns: Sequence[Column]) -> bytes:
    """Return the first line of a CSV document."""
    return (",".join(column.name for column in columns) + "\n").encode()


def export_statement(columns: Sequence[Column], select: Callable[[str], str], kind: Format) -> Sql:
    """Return the statement whose rows are the lines of an export.

    CSV is RFC 4180 but for bare line feeds; NDJSON is one JSON object a line; XLSX one element of a sheet.

    Args:
        columns: what a line holds.
        select: returns the SELECT of what it is given; its order is the export's.
        kind: of the export.
    """
    if kind == "csv":
        sqlite, postgresql = _csv_line_sqlite(columns), _csv_cells_postgresql(columns)
    elif kind == "ndjson":
        sqlite, postgresql = _json_line_sqlite(columns), _json_cell_postgresql(columns)
    else:
        sqlite, postgresql = _xml_row(columns, "sqlite"), _xml_row(columns, "postgresql")
    # In "text" format COPY would escape backslashes; csv with these two control characters, which JSON text
    # cannot hold and a workbook is cleaned of, passes a line through as it is.
    how = "FORMAT csv" if kind == "csv" else "FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02'"
    return Sql(sqlite=select(sqlite), postgresql=f"COPY ({select(postgresql)}) TO STDOUT WITH ({how})")


class Tally:
    """How many rows a stream has given so far."""

    rows = 0


def stream(
    connection: Connection, statement: Sql, params: dict[str, Any], *, tally: Tally | None = None
) -> Iterator[bytes]:
    """Yield the lines of an `export_statement`, many at a time, counted in `tally`."""
    tally = tally or Tally()
    if connection.dialect.name == "postgresql":
        yield from _copy_postgresql(connection, statement, params, tally)
    else:
        yield from _fetch_sqlite(connection, statement, params, tally)


def _fetch_sqlite(connection: Connection, statement: Sql, params: dict[str, Any], tally: Tally) -> Iterator[bytes]:
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute(statement.compiled(connection.dialect), params)
        while rows := cursor.fetchmany(ROWS_PER_CHUNK):
            tally.rows += len(rows)
            yield "".join([line for (line,) in rows]).encode()


def _copy_postgresql(connection: Connection, statement: Sql, params: dict[str, Any], tally: Tally) -> Iterator[bytes]:
    ensure_begun(connection)
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(statement.compiled(connection.dialect), params) as copy:
        pending, size = [], 0
        for block in copy:  # PostgreSQL sends each row by itself
            tally.rows += 1
            pending.append(bytes(block))
            size += len(pending[-1])
            if size > BYTES_PER_CHUNK:
                yield b"".join(pending)
                pending, size = [], 0
        yield b"".join(pending)


def _neutral(expression: str, starts: str) -> str:
    return f"CASE WHEN {starts} THEN '''' || {expression} ELSE {expression} END"


def _csv_line_sqlite(columns: Sequence[Column]) -> str:
    def cell(column: Column) -> str:
        value = column.sqlite
        if column.kind in ("number", "word", "moment"):
            return f"coalesce({value}, '')"
        if column.kind == "text":
            starts = f"{value} GLOB '[{FORMULA_STARTS}]*'"
            value = f"({_neutral(value, starts)})"
        return f"""coalesce('"' || replace({value}, '"', '""') || '"', '')"""

    return " || ',' || ".join(map(cell, columns)) + " || char(10)"


def _json_line_sqlite(columns: Sequence[Column]) -> str:
    def value(column: Column) -> str:
        return f"json({column.sqlite})" if column.kind == "json" else column.sqlite

    pairs = ", ".join(f"'{column.name}', {value(column)}" for column in columns)
    return f"json_object({pairs}) || char(10)"


def _csv_cells_postgresql(columns: Sequence[Column]) -> str:
    def cell(column: Column) -> str:
        value = column.postgresql
        if column.kind != "text":
            return value
        return _neutral(value, f"position(left({value}, 1) in '{FORMULA_STARTS}') > 0 AND {value} <> ''")

    return ", ".join(map(cell, columns))


def _json_cell_postgresql(columns: Sequence[Column]) -> str:
    def value(column: Column) -> str:
        return f"({column.postgresql})::json" if column.kind == "json" else column.postgresql

    pairs = ", ".join(f"'{column.name}', {value(column)}" for column in columns)
    return f"json_build_object({pairs})::text"


def _xml_row(columns: Sequence[Column], dialect: Literal["sqlite", "postgresql"]) -> str:
    def one(column: Column) -> str:
        value = getattr(column, dialect)
        if column.kind == "moment":
            return _xml_cell("moment", _days(column.sqlite, dialect))
        if column.kind == "number":
            return _xml_cell("number", value)
        if column.kind == "word":
            return _xml_cell("word", value)
        return _xml_cell("text", f"replace(replace({value}, '&', '&amp;'), '<', '&lt;')")

    return f"'<row>' || {' || '.join(map(one, columns))} || '</row>'"


def _xml_cell(kind: Literal["number", "moment", "text", "word"], value: str) -> str:
    before, after = cell(kind)
    return f"coalesce('{before}' || {value} || '{after}', '<c/>')"


def _days(column: str, dialect: str) -> str:
    """Return the SQL of a spreadsheet's date: the days since the end of 1899, exact to a millisecond."""
    if dialect == "sqlite":
        return f"(julianday({column}) - 2415018.5)"
    return f"round(extract(epoch FROM {column}) / 86400 + 25569, 9)"

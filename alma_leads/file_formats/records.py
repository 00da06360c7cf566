"""Records as CSV or NDJSON, streamed in constant memory."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import orjson

from alma_leads.file_formats.formats import TextFormat

LINES_PER_CHUNK = 500
# What a spreadsheet takes for the start of a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def write_records(fields: Sequence[str], records: Iterable[Sequence[object]], *, kind: TextFormat) -> Iterator[bytes]:
    """Yield a document of records in chunks; CSV starts with a line that names the fields.

    CSV is RFC 4180 with bare line feeds. A cell that a spreadsheet would take for a formula gets an apostrophe (OWASP,
    "CSV injection"), and an object is written as JSON.
    """
    lines = _csv_lines(chain([fields], records)) if kind == "csv" else _ndjson_lines(fields, records)
    while chunk := b"".join(islice(lines, LINES_PER_CHUNK)):
        yield chunk


class _Echo:
    """A file that hands back each line instead of storing it."""

    def write(self, line: str) -> str:
        return line


def _csv_lines(records: Iterable[Sequence[object]]) -> Iterator[bytes]:
    writer = csv.writer(_Echo(), lineterminator="\n")
    for record in records:
        line: str = writer.writerow([_cell(value) for value in record])
        yield line.encode()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA_STARTS) else value
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


def _ndjson_lines(fields: Sequence[str], records: Iterable[Sequence[object]]) -> Iterator[bytes]:
    for record in records:
        yield orjson.dumps(dict(zip(fields, record, strict=True)), option=orjson.OPT_APPEND_NEWLINE)

"""Records as a workbook (XLSX), written by XlsxWriter in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from tempfile import TemporaryFile
from typing import IO, Literal, NamedTuple

from xlsxwriter import Workbook

BYTES_PER_CHUNK = 65_536
# XML 1.0 cannot hold these. Two of them are characters that nobody assigned.
_ILLEGAL = dict.fromkeys(set(range(32)) - set(map(ord, "\t\n\r"))) | dict.fromkeys((0xFFFE, 0xFFFF), "\ufffd")
_WIDTHS = {"number": 9, "moment": 20, "text": 24, "address": 48}


class Column(NamedTuple):
    """A column of a sheet. A moment is given as text (RFC 3339, in UTC); an address is a long text."""

    name: str
    kind: Literal["number", "moment", "text", "address"] = "text"


def write_workbook(columns: Sequence[Column], records: Iterable[Sequence[object]], *, title: str) -> Iterator[bytes]:
    """Yield a workbook in chunks: one sheet, its first row names the columns.

    It is written into a temporary file, since the end of a workbook is needed to read its beginning.

    Args:
        columns: of the sheet.
        records: at most 1,048,575, which is what a sheet can hold.
        title: of the sheet.
    """
    with TemporaryFile() as file:
        _write(file, columns, records, title)
        file.seek(0)
        while chunk := file.read(BYTES_PER_CHUNK):
            yield chunk


def _write(file: IO[bytes], columns: Sequence[Column], records: Iterable[Sequence[object]], title: str) -> None:
    with Workbook(file, {"constant_memory": True}) as workbook:
        sheet = workbook.add_worksheet(title)
        # As text, a cell stays one when somebody edits it: "=1+1" does not turn into a formula.
        text = workbook.add_format({"num_format": "@"})
        moment = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        heading = workbook.add_format({"num_format": "@", "bold": True})
        sheet.freeze_panes(1, 0)
        for place, column in enumerate(columns):
            sheet.set_column(place, place, _WIDTHS[column.kind])
            # A date in a spreadsheet has no zone.
            sheet.write_string(0, place, f"{column.name} (UTC)" if column.kind == "moment" else column.name, heading)
        row = 0
        for row, record in enumerate(records, 1):
            for place, (column, value) in enumerate(zip(columns, record, strict=True)):
                if value is None:
                    continue
                if column.kind == "number":
                    sheet.write_number(row, place, value)
                elif column.kind == "moment":
                    sheet.write_datetime(row, place, datetime.fromisoformat(str(value)).replace(tzinfo=None), moment)
                else:
                    sheet.write_string(row, place, str(value).translate(_ILLEGAL), text)
        sheet.autofilter(0, 0, row, len(columns) - 1)

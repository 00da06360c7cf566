"""A workbook says the same to each program that reads it, and to those that need the references of cells."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime

from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from alma_leads.file_formats.workbook import Column, write_workbook

COLUMNS = [Column("id", "number"), Column("name"), Column("at", "moment"), Column("link", "address")]
RECORDS = [
    (1, "=1+1", "2026-11-20T14:05:09.500000Z", "https://example.com/a?b=c&d"),
    (2, "Zoë <b>", None, None),
    (3, None, "2026-01-01T08:00:00.000000Z", ""),
]
NAMES = ["id", "name", "at (UTC)", "link"]
FIRST = datetime(2026, 11, 20, 14, 5, 9, 500_000)  # noqa: DTZ001 -- as a spreadsheet has it
LAST = datetime(2026, 1, 1, 8)  # noqa: DTZ001


def made() -> bytes:
    """Return the workbook of RECORDS."""
    return b"".join(write_workbook(COLUMNS, RECORDS, title="Leads"))


def test_openpyxl_reads_it() -> None:
    sheet = load_workbook(io.BytesIO(made())).active
    assert sheet is not None
    rows = [[cell or None for cell in row] for row in sheet.iter_rows(values_only=True)]
    assert rows == [
        NAMES,
        [1, "=1+1", FIRST, "https://example.com/a?b=c&d"],
        [2, "Zoë <b>", None, None],
        [3, None, LAST, None],
    ]


def test_calamine_reads_it() -> None:
    rows = CalamineWorkbook.from_filelike(io.BytesIO(made())).get_sheet_by_index(0).to_python()
    assert rows == [
        NAMES,
        [1, "=1+1", FIRST, "https://example.com/a?b=c&d"],
        [2, "Zoë <b>", "", ""],
        [3, "", LAST, ""],
    ]


def test_each_row_and_cell_has_its_reference() -> None:
    # Gnumeric, exceljs and read-excel-file read nothing without them.
    sheet = zipfile.ZipFile(io.BytesIO(made())).read("xl/worksheets/sheet1.xml").decode()
    rows, cells = re.findall(r"<row\b[^>]*>", sheet), re.findall(r"<c\b[^>]*>", sheet)
    assert [re.search(r'\br="(\d+)"', row)[1] for row in rows] == ["1", "2", "3", "4"]
    assert all(re.search(r'\br="[A-D][1-4]"', cell) for cell in cells)

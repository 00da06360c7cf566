"""A workbook of more rows than a sheet can hold, made from rows as they come."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice

import pytest
from openpyxl import load_workbook

from alma_leads.file_formats import spreadsheet
from alma_leads.file_formats.spreadsheet import Heading, cell, workbook

HEADINGS = [Heading("number", 9)]


def block(*numbers: int) -> bytes:
    """Return rows of one cell."""
    before, after = cell("number")
    return "".join(f"<row>{before}{number}{after}</row>" for number in numbers).encode()


def sheets(body: bytes) -> dict[str, list[object]]:
    """Return the first column of each sheet."""
    return {sheet.title: [cell.value for cell in sheet["A"]] for sheet in load_workbook(io.BytesIO(body))}


@pytest.mark.parametrize("limit", ["ROWS_PER_SHEET", "BYTES_PER_SHEET"])
def test_what_does_not_fit_goes_to_further_sheets(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(spreadsheet, limit, 3 if limit == "ROWS_PER_SHEET" else 2 * len(block(1, 2)))
    blocks = [block(1, 2), block(3, 4), b"", block(5, 6), block(7, 8), b""]
    made = sheets(b"".join(workbook("Leads", HEADINGS, iter(blocks))))
    assert made == {"Leads": ["number", 1, 2, 3, 4], "Leads 2": ["number", 5, 6, 7, 8]}


def test_it_is_sent_while_rows_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "BYTES_PER_CHUNK", 100)
    asked = 0

    def rows() -> Iterator[bytes]:
        nonlocal asked
        for number in range(200_000):
            asked += 1
            yield block(number)

    list(islice(workbook("Leads", HEADINGS, rows()), 5))
    assert asked < 100_000

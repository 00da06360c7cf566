"""Read assignments from a CSV file that someone has edited, and write one. Uses no table.

Spreadsheets write a byte order mark, and semicolons where the comma is a decimal sign. An address that a spreadsheet
would run as a formula is written with an apostrophe before it, which is removed on reading.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from alma_leads.common.email_address import BadEmailAddress, normalise_email

COLUMNS = ("email", "attorney")
_FORMULA_STARTS = ("=", "+", "-", "@")


class BadFile(ValueError):
    """The file cannot be read. The message says what to do."""


class Line(NamedTuple):
    """A line that can be used: the prospect's address is normalised, the attorney's is as it was typed."""

    number: int
    email: str
    attorney: str


class BadLine(NamedTuple):
    """A line that cannot be used: the text `value` in the column `field` is wrong, and `remedy` says what to do."""

    number: int
    field: str
    value: str
    remedy: str


def read_lines(content: bytes, *, most: int | None = None) -> Iterator[Line | BadLine]:
    """Yield the lines below the header, without empty ones and repetitions.

    Raises:
        BadFile: it is not CSV in UTF-8, lacks a column, or has more than `most` lines.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile("The file is not in UTF-8. Save it as “CSV UTF-8”, and choose it again") from error
    if "\0" in text:
        raise BadFile("The file holds characters that no CSV does. Save it as “CSV UTF-8”, and choose it again")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from _read(rows, most)
    except csv.Error as error:
        raise BadFile(f"Line {rows.line_num} is not CSV: {error}. Mend it, and choose the file again") from error


def _read(rows: Any, most: int | None) -> Iterator[Line | BadLine]:
    names = [name.strip().casefold() for name in next(rows, [])]
    if not set(COLUMNS) <= set(names):
        raise BadFile("The first line has to name the columns email and attorney")
    places = [names.index(name) for name in COLUMNS]
    seen: dict[str, Line] = {}
    read = 0
    for row in rows:
        email, attorney = (row[place].strip() if place < len(row) else "" for place in places)
        if not email and not attorney:
            continue
        if read == most:
            raise BadFile(f"The file has more than {most:,} lines. Split it")
        read += 1
        found = _line(rows.line_num, email.removeprefix("'"), attorney.removeprefix("'"))
        if isinstance(found, Line):
            before = seen.setdefault(found.email, found)
            if before is not found:
                if before.attorney.casefold() == found.attorney.casefold():
                    continue
                why = f"Line {before.number} gives this address to another attorney. Keep one of the two"
                found = BadLine(found.number, "attorney", found.attorney, why)
        yield found


def _line(number: int, email: str, attorney: str) -> Line | BadLine:
    try:
        return Line(number, normalise_email(email), attorney)
    except BadEmailAddress:
        return BadLine(number, "email", email, "Enter an email address like name@example.com")


def to_csv(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield parts of a CSV file of (prospect's address, attorney's address), with its header."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    writer.writerow(COLUMNS)
    for email, attorney in pairs:
        writer.writerow([_neutral(email), _neutral(attorney)])
        if line.tell() > 65_536:
            yield line.getvalue()
            line.seek(0)
            line.truncate()
    yield line.getvalue()


def _neutral(cell: str) -> str:
    """Prevent a spreadsheet from running an address as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell

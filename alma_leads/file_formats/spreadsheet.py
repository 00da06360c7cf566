"""A table as an Office Open XML workbook (ECMA-376), written while it is sent. Knows no table and no SQL.

The rows come as the XML of `streaming`; here they are put into sheets, and those into a ZIP that is never sought in.
Why no library does it is said in docs/adr/0015-spreadsheets.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

ROWS_PER_SHEET = 1_000_000  # Excel opens 1,048,576; the rows that come together are counted together
BYTES_PER_SHEET = 1 << 30  # far from where a ZIP needs the extensions of which Excel warns
BYTES_PER_CHUNK = 65_536

# What XML 1.0 cannot hold, and what Excel reads as an escaped character although nobody meant that.
_ILLEGAL = bytes(set(range(32)) - set(b"\t\n\r"))
_NO_CHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")  # U+FFFE and U+FFFF
_LOOKS_ESCAPED = re.compile(rb"_(?=x[0-9A-Fa-f]{4}_)")

# Places in `cellXfs` below. As text, a cell stays one when somebody edits it: "=1+1" does not turn into a formula.
TEXT_STYLE, MOMENT_STYLE, _HEAD_STYLE = 1, 2, 3
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_RELATIONS = (
    f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_LINK}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
_STYLES = f"""{_XML}<styleSheet xmlns="{_MAIN}">
<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>
<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>
<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>
<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>
<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>
<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>
<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>
<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/></cellXfs>
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>
</styleSheet>"""


class Heading(NamedTuple):
    """The head of a column: its words, and its width in characters."""

    words: str
    width: int


def cell(kind: Literal["number", "moment", "text", "word"]) -> tuple[str, str]:
    """Return what stands before and after the value of a cell. Text is escaped by whoever makes the row."""
    if kind in ("number", "moment"):
        style = f' s="{MOMENT_STYLE}"' if kind == "moment" else ""
        return f"<c{style}><v>", "</v></c>"
    style = f' s="{TEXT_STYLE}"' if kind == "text" else ""
    return f'<c{style} t="inlineStr"><is><t>', "</t></is></c>"


def workbook(title: str, headings: Sequence[Heading], rows: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the workbook whose sheets are called `title`, `title` 2 and so on.

    What breaks off in between has no table of contents, which a ZIP has at its end: no program takes it for whole.

    Args:
        title: a word.
        headings: of the columns.
        rows: some `<row>` elements at a time, whole ones.
    """
    sink, counts = _Sink(), list[int]()
    with ZipFile(sink, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("_rels/.rels", _RELATIONS)
        archive.writestr("xl/styles.xml", _STYLES)
        blocks = filter(None, rows)
        block = next(blocks, b"")
        while block or not counts:
            count = size = 0
            with archive.open(f"xl/worksheets/sheet{len(counts) + 1}.xml", "w") as sheet:
                sheet.write(_before_rows(headings).encode())
                while block and count < ROWS_PER_SHEET and size < BYTES_PER_SHEET:
                    sheet.write(_legal(block))
                    count += block.count(b"<row>")
                    size += len(block)
                    if sink.size > BYTES_PER_CHUNK:
                        yield sink.take()
                    block = next(blocks, b"")
                sheet.write(_after_rows(headings, count).encode())
            counts.append(count)
        archive.writestr("xl/workbook.xml", _workbook(title, headings, counts))
        archive.writestr("xl/_rels/workbook.xml.rels", _sheet_relations(len(counts)))
        archive.writestr("[Content_Types].xml", _content_types(len(counts)))
    yield sink.take()


class _Sink:
    """What the ZIP is written to, and taken from in parts."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        self.size += len(part)
        return len(part)

    def flush(self) -> None:
        """Do nothing: what is written is there."""

    def close(self) -> None:
        """Do nothing: what is left is still to be taken."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts, self.size = [], 0
        return taken


def _legal(block: bytes) -> bytes:
    block = block.translate(None, _ILLEGAL)
    if b"\xef\xbf" in block:
        block = _NO_CHARACTER.sub("\ufffd".encode(), block)
    if b"_x" in block:
        block = _LOOKS_ESCAPED.sub(b"_x005F_", block)
    return block.replace(b"]]>", b"]]&gt;")  # an end without a beginning, to XML


def _before_rows(headings: Sequence[Heading]) -> str:
    columns = "".join(
        f'<col min="{number}" max="{number}" width="{heading.width}" customWidth="1"/>'
        for number, heading in enumerate(headings, 1)
    )
    head = "".join(f'<c s="{_HEAD_STYLE}" t="inlineStr"><is><t>{heading.words}</t></is></c>' for heading in headings)
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f"<cols>{columns}</cols><sheetData><row>{head}</row>"
    )


def _after_rows(headings: Sequence[Heading], count: int) -> str:
    return f'</sheetData><autoFilter ref="A1:{_letter(headings)}{count + 1}"/></worksheet>'


def _letter(headings: Sequence[Heading]) -> str:
    assert len(headings) <= 26
    return chr(ord("A") + len(headings) - 1)


def _workbook(title: str, headings: Sequence[Heading], counts: Sequence[int]) -> str:
    names = [title if number == 1 else f"{title} {number}" for number in range(1, len(counts) + 1)]
    sheets = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="s{number}"/>' for number, name in enumerate(names, 1)
    )
    filtered = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{number}" hidden="1">'
        f"'{name}'!$A$1:${_letter(headings)}${count + 1}</definedName>"
        for number, (name, count) in enumerate(zip(names, counts, strict=True))
    )
    return (
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_LINK}"><bookViews><workbookView/></bookViews>'
        f"<sheets>{sheets}</sheets><definedNames>{filtered}</definedNames></workbook>"
    )


def _sheet_relations(sheets: int) -> str:
    links = "".join(
        f'<Relationship Id="s{number}" Type="{_LINK}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, sheets + 1)
    )
    styles = f'<Relationship Id="t1" Type="{_LINK}/styles" Target="styles.xml"/>'
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{links}{styles}</Relationships>'


def _content_types(sheets: int) -> str:
    parts = {"workbook": f"{_TYPE}.sheet.main+xml", "styles": f"{_TYPE}.styles+xml"}
    parts |= {f"worksheets/sheet{number}": f"{_TYPE}.worksheet+xml" for number in range(1, sheets + 1)}
    overrides = "".join(f'<Override PartName="/xl/{name}.xml" ContentType="{kind}"/>' for name, kind in parts.items())
    return (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )

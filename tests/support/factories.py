"""Making what tests need: one place that knows what a good submission looks like."""

from __future__ import annotations

import io
from functools import cache
from itertools import count
from random import randbytes
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pikepdf
from pikepdf import Dictionary, Name

_numbers = count(1)

GOOD_LEAD = {
    "first_name": "Sai",
    "last_name": "Maryada",
    "email": "example@gmail.com",
    "resume_url": "https://drive.google.com/x",
}


def lead_body(**changes: Any) -> dict[str, Any]:
    """Return a JSON body for a lead that can be accepted, from a prospect nobody else has."""
    return {**GOOD_LEAD, "email": f"prospect-{next(_numbers)}@example.com", **changes}


def pdf_bytes(text: str = "Resume") -> bytes:
    """Return a small PDF."""
    document = pikepdf.new()
    document.add_blank_page(page_size=(200, 200))
    document.docinfo["/Title"] = text
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def pdf_with_text(*pages: str) -> bytes:
    """Return a PDF in US letter that says something: a text for each page, in Latin letters."""
    document = pikepdf.new()
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=Name.WinAnsiEncoding)
    for text in pages:
        lines = b" T*\n".join(b"<" + line.encode("cp1252").hex().encode() + b"> Tj" for line in text.split("\n"))
        page = document.add_blank_page(page_size=(612, 792)).obj
        page.Resources = Dictionary(Font=Dictionary(F=font))
        page.Contents = document.make_stream(b"BT /F 12 Tf 16 TL 60 700 Td\n" + lines + b"\nET")
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


@cache
def large_pdf(size_bytes: int = 6_000_000) -> bytes:
    """Return a PDF of a size that nothing makes smaller; as it is, more than storages take in one part."""
    document = pikepdf.new()
    document.add_blank_page()
    document.Root.Noise = document.make_stream(randbytes(size_bytes))
    buffer = io.BytesIO()
    document.save(buffer, compress_streams=False)
    return buffer.getvalue()


def docx_bytes(*paragraphs: str) -> bytes:
    """Return a small DOCX; its paragraphs are XML."""
    types = (
        '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'wordprocessingml.document.main+xml"/></Types>'
    )
    relations = (
        '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument" Target="word/document.xml"/></Relationships>'
    )
    said = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs or ("Resume",))
    body = (
        '<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f"<w:body>{said}</w:body></w:document>"
    )
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("_rels/.rels", relations)
        archive.writestr("word/document.xml", body)
    return buffer.getvalue()

"""Whether a DOCX can be read, and does nothing by itself."""

from __future__ import annotations

import codecs
import re
import zlib
from typing import IO
from zipfile import BadZipFile, LargeZipFile, ZipFile, ZipInfo

from alma_leads.resumes.errors import RefusedFile

MAX_ENTRIES = 2000
# Office files shrink to a tenth or less; what grows more than this is made to fill a disk.
MAX_RATIO = 200
RATIO_FROM_BYTES = 1_048_576
MAX_GROWTH = 20
CHUNK_BYTES = 65_536

_MAIN = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_NEEDED = {"[Content_Types].xml", "word/document.xml"}
_MACROS = re.compile(r"(?i)(vbaproject|vbadata|/activex/|\.bin$|\.exe$|\.dll$|\.js$|\.vbs$)")
_EXTERNAL = re.compile(rb"<Relationship\b[^>]*TargetMode\s*=\s*[\"']External[\"'][^>]*>", re.IGNORECASE)
_HARMLESS = re.compile(rb"Type\s*=\s*[\"'][^\"']*/(hyperlink|image)[\"']", re.IGNORECASE)
_DAMAGED = "The file is damaged. Save it again as DOCX or PDF, or give a link"
_NOT_WORD = "The file is not a Word document. Save it as PDF or DOCX, or give a link"
_MACRO = "The file has macros in it. Save it as DOCX or PDF without them"
_CARRIED = "The file carries other files in it. Save it as PDF and choose that one"
_REMOTE = "The file loads something from elsewhere when it is opened. Save it as PDF and choose that one"
_BOMB = "The file becomes far too large when it is unpacked. Save it as PDF and choose that one"
_LOCKED = "The file is locked with a password. Save it without one, or give a link"


def check_docx(stream: IO[bytes], *, max_bytes: int) -> None:
    """Refuse a DOCX that is damaged, locked, a bomb, or holds something that acts.

    Everything is unpacked once, piece by piece, and counted: sizes in headers are not believed.

    Raises:
        RefusedFile: says why, and what to do.
    """
    stream.seek(0)
    try:
        with ZipFile(stream) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            room = max_bytes * MAX_GROWTH
            for entry in entries:
                content, size = _unpack(archive, entry, room)
                room -= size
                _check_part(entry.filename, content)
    except (BadZipFile, LargeZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
        # zipfile reports an archive that contradicts itself in all of these ways.
        raise RefusedFile(_DAMAGED) from None


def _check_entries(entries: list[ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if any(entry.flag_bits & 1 for entry in entries):
        raise RefusedFile(_LOCKED)
    if len(names) > MAX_ENTRIES:
        raise RefusedFile(_BOMB)
    if not set(names) >= _NEEDED:
        raise RefusedFile(_NOT_WORD)
    if len(set(map(str.lower, names))) != len(names):
        raise RefusedFile(_DAMAGED)
    for name in names:
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise RefusedFile(_DAMAGED)
        if _MACROS.search(name):
            raise RefusedFile(_MACRO)
        if "/embeddings/" in name.lower():
            raise RefusedFile(_CARRIED)


def _unpack(archive: ZipFile, entry: ZipInfo, room: int) -> tuple[bytes, int]:
    """Return an XML part's content (nothing for other parts), and the size of any part."""
    wanted = entry.filename.lower().endswith((".xml", ".rels"))
    pieces, size = [], 0
    with archive.open(entry) as part:
        while piece := part.read(CHUNK_BYTES):
            size += len(piece)
            ratio = size / max(1, entry.compress_size)
            if size > room or (size > RATIO_FROM_BYTES and ratio > MAX_RATIO):
                raise RefusedFile(_BOMB)
            if wanted:
                pieces.append(piece)
    return _as_utf8(b"".join(pieces)), size


def _as_utf8(content: bytes) -> bytes:
    """Return XML that was written in UTF-16 as UTF-8, so that nothing hides in the other encoding."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").encode()
    return content


def _check_part(name: str, content: bytes) -> None:
    if re.search(rb"<!\s*(DOCTYPE|ENTITY)", content, re.IGNORECASE):
        raise RefusedFile(_DAMAGED)
    if name == "[Content_Types].xml" and _MAIN not in content:
        raise RefusedFile(_MACRO if b"macroEnabled" in content else _NOT_WORD)
    if name.lower().endswith(".rels") and any(
        not _HARMLESS.search(relation) for relation in _EXTERNAL.findall(content)
    ):
        raise RefusedFile(_REMOTE)

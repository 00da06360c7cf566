"""What a file from a stranger is, told by its content and its name together. Keeps nothing."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

import filetype

from alma_leads.resumes.docx import check_docx
from alma_leads.resumes.errors import FileTooLarge, RefusedFile
from alma_leads.resumes.pdf import check_pdf

CHUNK_BYTES = 65_536
HEAD_BYTES = 8192
MAX_NAME_LENGTH = 150

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EXTENSIONS = {".pdf": PDF, ".docx": DOCX}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Inspected:
    """A file that may be kept: its type, its cleaned name, its size in bytes and its SHA-256 in hexadecimal."""

    media_type: str
    file_name: str
    size_bytes: int
    sha256: str


def inspect(stream: IO[bytes], *, file_name: str, max_bytes: int) -> Inspected:
    """Return what `stream` holds, and leave it at its start.

    Raises:
        FileTooLarge: it has more than `max_bytes`.
        RefusedFile: it is not a PDF or DOCX that can be read safely, or its name says something else.
    """
    size, digest, head = _measure(stream, max_bytes)
    if size == 0:
        raise RefusedFile("The file is empty. Choose another one, or give a link")
    kind = _kind(head)
    name = clean_name(file_name)
    if EXTENSIONS.get(PurePosixPath(name).suffix.lower()) != kind:
        raise RefusedFile("The name of the file does not match what is in it. Save it again as PDF or DOCX")
    if kind == PDF:
        check_pdf(stream)
    else:
        check_docx(stream, max_bytes=max_bytes)
    stream.seek(0)
    return Inspected(kind, name, size, digest)


def clean_name(file_name: str) -> str:
    """Return the last part of a file name, in NFC, without invisible or reserved characters, its extension kept."""
    last = unicodedata.normalize("NFC", file_name).replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C" and c not in '<>:"|?*').strip(" .")
    path = PurePosixPath(shown or "resume")
    stem = path.stem[: MAX_NAME_LENGTH - len(path.suffix)]
    return f"{stem}{path.suffix}"


def _measure(stream: IO[bytes], max_bytes: int) -> tuple[int, str, bytes]:
    digest = hashlib.sha256()
    size, head = 0, b""
    stream.seek(0)
    while chunk := stream.read(CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise FileTooLarge(max_bytes)
        digest.update(chunk)
        head = head or chunk[:HEAD_BYTES]
    stream.seek(0)
    return size, digest.hexdigest(), head


def _kind(head: bytes) -> str:
    if head.startswith(_OLE):
        raise RefusedFile(
            "The file is an old Word document, or locked with a password. Save it as PDF or DOCX without one"
        )
    if head.startswith(_ZIP):
        return DOCX
    if filetype.guess_mime(head) == PDF and head.startswith(b"%PDF-"):
        return PDF
    raise RefusedFile("The file is neither PDF nor Word (.docx). Save it as one of the two, or give a link")

"""What a file from a stranger is, told by its content and its name together. Keeps nothing."""

from __future__ import annotations

import hashlib
import unicodedata
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import PurePosixPath
from tempfile import TemporaryFile
from typing import IO

from alma_leads.resumes.errors import FileTooLarge, Reason, RefusedFile
from alma_leads.resumes.quarantine import Kind, check_apart
from alma_leads.text import EXPANSION, UnfitText, normalise

CHUNK_BYTES = 65_536
MAX_NAME_BYTES = 255  # what file systems take, so that whoever downloads it can keep the name
MAX_EXTENSION_LENGTH = 10
MAX_TYPED_NAME = EXPANSION * MAX_NAME_BYTES

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MEDIA_TYPES: dict[Kind, str] = {"pdf": PDF, "docx": DOCX}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_ZIP = b"PK\x03\x04"
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Inspected:
    """A file that may be kept: its type, its cleaned name, its size in bytes and its SHA-256 in hexadecimal."""

    media_type: str
    file_name: str
    size_bytes: int
    sha256: str


def inspect(
    stream: IO[bytes], *, file_name: str, max_bytes: int, turn: AbstractContextManager[None] | None = None
) -> Inspected:
    """Return what the seekable `stream` holds, and leave it at its start.

    Args:
        stream: the file.
        file_name: the name it was sent with.
        max_bytes: how large it may be.
        turn: held while a process of its own looks at the file.

    Raises:
        TooManyInspections: its turn did not come.
        FileTooLarge: it has more than `max_bytes`.
        RefusedFile: it is not a PDF or DOCX that can be read safely, or its name says something else.
        InspectionFailed: it could not be looked at.
    """
    name = clean_name(file_name)
    with TemporaryFile(buffering=0) as copy:  # what looks at it needs a descriptor, which the stream may not have
        size, digest = _copy(stream, copy, max_bytes)
        if size == 0:
            raise RefusedFile(Reason.EMPTY)
        kind = _kind(copy)
        if PurePosixPath(name).suffix.lower() != f".{kind}":
            raise RefusedFile(Reason.WRONG_NAME)
        with turn or nullcontext():
            check_apart(copy, kind=kind)
    stream.seek(0)
    return Inspected(_MEDIA_TYPES[kind], name, size, digest)


def clean_name(file_name: str) -> str:
    """Return the last part of a file name, in NFC, without control and direction characters, its extension kept.

    Raises:
        RefusedFile: no file system has such a name.
    """
    try:
        last = normalise(file_name.replace("\\", "/").rsplit("/", 1)[-1], "NFC", at_most=MAX_TYPED_NAME)
    except UnfitText as unfit:
        raise RefusedFile(Reason.LONG_NAME) from unfit
    path = PurePosixPath("".join(filter(_is_fit_for_a_name, last)).strip(" .") or "resume")
    extension = path.suffix if len(path.suffix) <= MAX_EXTENSION_LENGTH else ""
    stem = path.name.removesuffix(extension).encode()[: MAX_NAME_BYTES - len(extension.encode())]
    return stem.decode(errors="ignore").rstrip(" .") + extension


def _is_fit_for_a_name(character: str) -> bool:
    if character in _JOINERS:  # some scripts cannot be written without them
        return True
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"} and character not in '<>:"|?*'


def _copy(stream: IO[bytes], copy: IO[bytes], max_bytes: int) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    stream.seek(0)
    while chunk := stream.read(CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise FileTooLarge(max_bytes)
        digest.update(chunk)
        copy.write(chunk)
    return size, digest.hexdigest()


def _kind(copy: IO[bytes]) -> Kind:
    copy.seek(0)
    head = copy.read(CHUNK_BYTES)
    if head.startswith(_ZIP):
        return "docx"
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith(_OLE):  # what Word wraps a locked document in; also what it wrote until 2003
        raise RefusedFile(Reason.LOCKED if _holds(copy, _ENCRYPTED_PACKAGE) else Reason.WRONG_KIND)
    raise RefusedFile(Reason.WRONG_KIND)


def _holds(copy: IO[bytes], words: bytes) -> bool:
    copy.seek(0)
    end = b""
    while chunk := copy.read(CHUNK_BYTES):
        if words in end + chunk:
            return True
        end = chunk[-len(words) :]
    return False

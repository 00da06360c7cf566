"""What a file from a stranger is, told by its content and its name together. Keeps nothing."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from mimetypes import MimeTypes
from pathlib import PurePosixPath
from tempfile import TemporaryFile
from typing import IO

from alma_leads.common.text import EXPANSION, UnfitText, normalise
from alma_leads.resumes.sandbox.errors import FileTooLarge, Reason, RefusedFile
from alma_leads.resumes.sandbox.sandbox_process import Kind, check_in_sandbox

CHUNK_BYTES = 65_536
MAX_NAME_BYTES = 255  # what file systems take, so that whoever downloads it can keep the name
MAX_EXTENSION_LENGTH = 10
MAX_TYPED_NAME = EXPANSION * MAX_NAME_BYTES
MIN_EXTENSION_LENGTH = 2  # with its dot: "Meyer J.C" has none
PDF_HEADER_WITHIN = 1024  # bytes, as readers look for it

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MEDIA_TYPES: dict[Kind, str] = {"pdf": PDF, "docx": DOCX}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_ZIP = b"PK\x03\x04"
_WORD_DOCUMENT = "WordDocument".encode("utf-16-le")
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument.text"
_CONTENT_TYPES = b"[Content_Types].xml"
_PAGES = b"Index/Document.iwa"
_OTHERS = {
    Reason.RICH_TEXT: re.compile(rb"\{\\rtf"),
    Reason.HEIC: re.compile(rb".{4}ftyp(hei|hev|mif1|msf1|avif)", re.DOTALL),
    Reason.PICTURE: re.compile(
        rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|RIFF.{4}WEBP|II\*\0|MM\0\*|BM.{4}\0\0\0\0", re.DOTALL
    ),
}
# What counts as an extension of its own. After anything else ("v2.1", "Ph.D.") the one of the content is added.
_EXTENSIONS = (
    {kind.removeprefix(".") for kind in MimeTypes().types_map[True] if len(kind) > MIN_EXTENSION_LENGTH}
    | {"docx", "docm", "dotx", "dotm", "odt", "ott", "fodt", "pages", "rtf", "wpd", "wps", "tex", "md", "one", "eml"}
    | {"xlsx", "xlsm", "xlsb", "pptx", "pptm", "ods", "odp", "key", "numbers", "epub", "mobi", "xps", "oxps", "pub"}
    | {"heic", "heif", "webp", "avif", "raw", "psd", "ai", "eps", "svg", "ico", "jfif", "mp3", "m4a", "mkv", "webm"}
    | {"zip", "rar", "7z", "gz", "bz2", "xz", "tgz", "iso", "img", "dmg", "apk", "jar", "war", "cab", "pkg", "deb"}
    | {"exe", "com", "bat", "cmd", "scr", "pif", "cpl", "msi", "msp", "dll", "sys", "lnk", "url", "webloc", "reg"}
    | {"ps1", "psm1", "vb", "vbs", "vbe", "jse", "wsf", "wsh", "hta", "chm", "scf", "inf", "sh", "app", "command"}
    | {"php", "asp", "aspx", "jsp", "cgi", "shtml", "xht", "mht", "mhtml", "svgz", "xml", "yaml", "ini", "sql"}
)
_COUNTED = re.compile(r"(?P<stem>.+)\.(?P<extension>\w{2,10})(?P<space> ?)(?P<count>[(\[]\d{1,4}[)\]])")
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
        kind = _kind(copy, name)
        name = _named_as(name, kind)
        with turn or nullcontext():
            check_in_sandbox(copy, kind=kind)
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


def _named_as(name: str, kind: Kind) -> str:
    """Return a name that ends in the extension of its content, which is added where there is none.

    Raises:
        RefusedFile: it has the extension of something else.
    """
    found = _COUNTED.fullmatch(name)  # "resume.pdf(1)", as browsers and phones name a second download
    if found is not None and found["extension"].lower() in _EXTENSIONS:
        name = f"{found['stem']}{found['space']}{found['count']}.{found['extension']}"
    extension = PurePosixPath(name).suffix.lower().removeprefix(".")
    if extension == kind:
        return name
    if extension in _EXTENSIONS:
        raise RefusedFile(Reason.WRONG_NAME)
    return clean_name(f"{name}.{kind}")


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


def _kind(copy: IO[bytes], name: str) -> Kind:
    """Return what a file is by its content, or refuse it with what it is; the name only helps to say that."""
    copy.seek(0)
    head = copy.read(CHUNK_BYTES)
    named = PurePosixPath(name).suffix.lower()
    if head.startswith(_ZIP):
        if head[30:38] == b"mimetype" and _OPEN_DOCUMENT in head[38:200]:
            raise RefusedFile(Reason.OPENDOCUMENT)
        if _CONTENT_TYPES not in head and (named == ".pages" or _holds(copy, _PAGES)):
            raise RefusedFile(Reason.PAGES)
        return "docx"
    if head.startswith(_OLE):  # what Word wraps a locked document in; also what it wrote until 2003
        if _holds(copy, _ENCRYPTED_PACKAGE):
            raise RefusedFile(Reason.LOCKED)
        is_word = named in (".doc", ".dot") or _holds(copy, _WORD_DOCUMENT)
        raise RefusedFile(Reason.OLD_WORD if is_word else Reason.WRONG_KIND)
    for reason, looks_so in _OTHERS.items():
        if looks_so.match(head):
            raise RefusedFile(reason)
    if b"%PDF-" in head[:PDF_HEADER_WITHIN]:  # a byte order mark, an empty line or a line of a mail may be before it
        return "pdf"
    raise RefusedFile(Reason.WRONG_KIND)


def _holds(copy: IO[bytes], words: bytes) -> bool:
    copy.seek(0)
    end = b""
    while chunk := copy.read(CHUNK_BYTES):
        if words in end + chunk:
            return True
        end = chunk[-len(words) :]
    return False

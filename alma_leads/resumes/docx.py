"""Whether a DOCX can be read, and does nothing by itself. Runs in quarantine."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable
from typing import IO
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, LargeZipFile, ZipFile, ZipInfo

from alma_leads.resumes.errors import Reason, RefusedFile

MAX_ENTRIES = 2000
MAX_DIRECTORY_BYTES = 1_048_576
MAX_UNPACKED_BYTES = 100_000_000
# Office files shrink to a tenth or less; what grows more than this is made to fill a disk.
MAX_RATIO = 200
RATIO_FROM_BYTES = 4_194_304
CHUNK_BYTES = 65_536

_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_TYPES = "[Content_Types].xml"
_MACRO_TYPES = re.compile(r"macroEnabled|vbaProject|vbaData|activeX|oleObject|\.keyMapCustomizations", re.IGNORECASE)
_MACRO_NAMES = re.compile(r"vbaproject|vbadata|(^|/)activex/", re.IGNORECASE)
_CARRYING = {"oleObject", "package", "control", "aFChunk", "subDocument", "vbaProject"}
# Where Word found the template when it wrote the document: a folder on the writer's own disk. It is not on ours.
_OWN_DISK = re.compile(r"(file:///)?[A-Za-z]:[/\\]|file:///(Users|home|private|Applications)/|[\w.%-]+$", re.IGNORECASE)
_END_OF_DIRECTORY = struct.Struct("<4s4H2LH")

Attributes = dict[str, str]


def check(stream: IO[bytes]) -> None:
    """Refuse a DOCX that is damaged, locked, a bomb, or holds something that acts.

    Everything is unpacked once, piece by piece, and counted: sizes in headers are not believed.

    Raises:
        RefusedFile: says why, and what to do.
    """
    try:
        size = stream.seek(0, os.SEEK_END)
        _check_directory(stream, size)
        with ZipFile(stream) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            types = _Types()
            room = max(MAX_UNPACKED_BYTES, 4 * size)
            room -= _check_part(archive, archive.getinfo(_TYPES), room, types.take)
            types.check()
            for entry in entries:
                if entry.filename != _TYPES:
                    room -= _check_part(archive, entry, room, _handler_for(entry.filename, types))
    except (BadZipFile, LargeZipFile, zlib.error, expat.ExpatError, EOFError, NotImplementedError):
        raise RefusedFile(Reason.DAMAGED) from None
    except (RuntimeError, OSError, ValueError, KeyError, IndexError, struct.error, OverflowError):
        # zipfile reports an archive that contradicts itself in all of these ways.
        raise RefusedFile(Reason.DAMAGED) from None


class _Types:
    """What `[Content_Types].xml` says about each part."""

    def __init__(self) -> None:
        self._by_extension: dict[str, str] = {}
        self._by_name: dict[str, str] = {}

    def take(self, element: str, attributes: Attributes) -> None:
        kind = attributes.get("ContentType", "")
        if element.endswith("Default"):
            self._by_extension[attributes.get("Extension", "").lower()] = kind
        elif element.endswith("Override"):
            self._by_name[attributes.get("PartName", "").lstrip("/").lower()] = kind

    def check(self) -> None:
        kinds = [*self._by_extension.values(), *self._by_name.values()]
        if any(_MACRO_TYPES.search(kind) for kind in kinds):
            raise RefusedFile(Reason.MACROS)
        if _MAIN not in kinds:
            raise RefusedFile(Reason.WRONG_KIND)

    def says_xml(self, name: str) -> bool:
        name = name.lower()
        kind = self._by_name.get(name) or self._by_extension.get(name.rpartition(".")[2], "")
        return name.endswith((".xml", ".rels")) or (kind.endswith("xml") and not kind.startswith("image/"))


def _check_directory(stream: IO[bytes], size: int) -> None:
    """Refuse a table of contents that would take long to read: zipfile reads it whole before it can be asked."""
    stream.seek(max(0, size - 65_557))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END_OF_DIRECTORY.size:
        raise RefusedFile(Reason.DAMAGED)
    _, _, _, _, count, directory_bytes, _, _ = _END_OF_DIRECTORY.unpack_from(tail, at)
    if count > MAX_ENTRIES or directory_bytes > MAX_DIRECTORY_BYTES:
        raise RefusedFile(Reason.BOMB)
    if b"PK\x06\x07" in tail[:at][-20:]:  # a second table, for archives beyond 4 GB
        raise RefusedFile(Reason.DAMAGED)


def _check_entries(entries: list[ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if any(entry.flag_bits & 1 for entry in entries):
        raise RefusedFile(Reason.LOCKED)
    if len(names) > MAX_ENTRIES:
        raise RefusedFile(Reason.BOMB)
    if _TYPES not in names:
        raise RefusedFile(Reason.WRONG_KIND)
    if len(set(map(str.lower, names))) != len(names):
        raise RefusedFile(Reason.DAMAGED)  # readers would not agree on which of the two counts
    for entry in entries:
        name = entry.orig_filename
        is_link = entry.external_attr >> 16 & 0o170000 == 0o120000
        if name.startswith("/") or "\\" in name or ":" in name or "\0" in name or ".." in name.split("/") or is_link:
            raise RefusedFile(Reason.DAMAGED)
        if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise RefusedFile(Reason.DAMAGED)
        if _MACRO_NAMES.search(name):
            raise RefusedFile(Reason.MACROS)
        if "/embeddings/" in name.lower():
            raise RefusedFile(Reason.CARRIES_FILES)


def _handler_for(name: str, types: _Types) -> Callable[[str, Attributes], None] | None:
    """Return what looks at the elements of a part, or None when the part is not XML."""
    if name.lower().endswith(".rels"):
        return _check_relationship
    return _ignore if types.says_xml(name) else None


def _check_part(
    archive: ZipFile, entry: ZipInfo, room: int, on_element: Callable[[str, Attributes], None] | None
) -> int:
    """Unpack a part, look at it if it is XML, and return its size."""
    parser = None if on_element is None else _parser_for(on_element)
    size = 0
    with archive.open(entry) as part:
        while piece := part.read(CHUNK_BYTES):
            size += len(piece)
            if size > room or (size > RATIO_FROM_BYTES and size > MAX_RATIO * entry.compress_size):
                raise RefusedFile(Reason.BOMB)
            if parser is not None:
                parser.Parse(piece, False)
    if parser is not None:
        parser.Parse(b"", True)
    return size


def _parser_for(on_element: Callable[[str, Attributes], None]) -> expat.XMLParserType:
    parser = xml_parser()
    if on_element is not _ignore:
        parser.StartElementHandler = on_element
    return parser


def xml_parser() -> expat.XMLParserType:
    """Return a parser that accepts no document type, in whatever encoding it is written: so no entities, no bombs."""
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_declaration: object) -> None:
    raise RefusedFile(Reason.DAMAGED)


def _ignore(_element: str, _attributes: Attributes) -> None:
    """Only well-formedness matters here."""


def _check_relationship(element: str, attributes: Attributes) -> None:
    if not element.endswith("Relationship"):
        return
    kind = attributes.get("Type", "").rpartition("/")[2]
    target = attributes.get("Target", "")
    if kind in _CARRYING:
        raise RefusedFile(Reason.MACROS if kind in ("control", "vbaProject") else Reason.CARRIES_FILES)
    if attributes.get("TargetMode", "").lower() == "external" and kind != "hyperlink":
        if kind == "attachedTemplate" and _OWN_DISK.match(target):
            return
        raise RefusedFile(Reason.LOADS_REMOTE)

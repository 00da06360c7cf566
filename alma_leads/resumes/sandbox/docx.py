"""Whether a DOCX can be read, and does nothing by itself. Runs in the sandbox."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable
from typing import IO
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, LargeZipFile, ZipFile, ZipInfo

from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from alma_leads.resumes.sandbox.targets import is_on_own_disk, leads_to_file

MAX_ENTRIES = 2000
MAX_DIRECTORY_BYTES = 1_048_576
MAX_UNPACKED_BYTES = 100_000_000
# Office files shrink to a tenth or less; what grows more than this is made to fill a disk.
MAX_RATIO = 200
RATIO_FROM_BYTES = 4_194_304
CHUNK_BYTES = 65_536

_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_TYPES = "[Content_Types].xml"
_MACRO_TYPES = re.compile(r"macroEnabled|vbaProject|vbaData|activeX|oleObject", re.IGNORECASE)
_MACRO_NAMES = re.compile(r"vbaproject|vbadata|(^|/)activex/", re.IGNORECASE)
_CARRYING = {"oleObject", "package", "control", "aFChunk", "subDocument", "vbaProject"}
# Fields (ECMA-376, 17.16.5) that fetch something when they are brought up to date. Word leaves the first two behind,
# with a path of its own disk, where somebody pasted a picture.
_FETCHING = re.compile(
    r"(INCLUDEPICTURE|INCLUDETEXT|INCLUDE|IMPORT|LINK|DDE|DDEAUTO|DATABASE|RD|HTMLCONTROL)\b", re.IGNORECASE
)
_MAY_NAME_OWN_DISK = re.compile(r"(INCLUDEPICTURE|INCLUDETEXT)\s+(\"[^\"]*\"|\S+)", re.IGNORECASE)
_HYPERLINK = re.compile(r"HYPERLINK\s+(\"[^\"]*\"|\S+)", re.IGNORECASE)
# Drawings of older programs name what they show by themselves, and some videos are a page of the web.
_SHOWING = {"imagedata", "fill", "stroke", "image"}
_MAX_FIELDS_WITHIN = 20
_MAX_INSTRUCTION = 10_000
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
    if on_element is _ignore:
        _Fields(parser)
    else:
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
    """Stand for a part that `_Fields` looks through."""


def _check_relationship(element: str, attributes: Attributes) -> None:
    if not element.endswith("Relationship"):
        return
    kind = attributes.get("Type", "").rpartition("/")[2]
    target = attributes.get("Target", "")
    if kind in _CARRYING:
        raise RefusedFile(Reason.MACROS if kind in ("control", "vbaProject") else Reason.CARRIES_FILES)
    if attributes.get("TargetMode", "").lower() == "external" and kind != "hyperlink":
        if kind == "attachedTemplate" and is_on_own_disk(target):
            return
        raise RefusedFile(Reason.LOADS_REMOTE)
    if kind == "hyperlink" and leads_to_file(target):
        raise RefusedFile(Reason.LEADS_ELSEWHERE)


class _Fields:
    """Looks through the elements of a part for fields, and for drawings, that fetch something from elsewhere."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self._open: list[list[str] | None] = []  # the instructions of fields, from outside in; None: read already
        self._in_instruction = False
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def _start(self, element: str, attributes: Attributes) -> None:
        name = element.rpartition(":")[2]
        if name == "instrText":
            self._in_instruction = True
        elif name == "fldChar":
            self._turn(_attribute(attributes, "fldCharType"))
        elif name == "fldSimple":
            _check_instruction(_attribute(attributes, "instr"))
        elif name == "webVideoPr":
            raise RefusedFile(Reason.LOADS_REMOTE)
        elif name in _SHOWING:
            for key in ("src", "href"):
                target = _attribute(attributes, key)
                if "://" in target or leads_to_file(target):
                    raise RefusedFile(Reason.LOADS_REMOTE)

    def _turn(self, kind: str) -> None:
        if kind == "begin":
            if len(self._open) >= _MAX_FIELDS_WITHIN:
                raise RefusedFile(Reason.TOO_COMPLEX)
            outer = self._open[-1] if self._open else None
            if outer is not None and not "".join(outer).strip():
                raise RefusedFile(Reason.LOADS_REMOTE)  # which field it is, another field says: nobody writes that
            self._open.append([])
        elif kind in ("separate", "end") and self._open:
            instruction = self._open[-1]
            if instruction is not None:
                _check_instruction("".join(instruction))
            self._open[-1] = None
            if kind == "end":
                self._open.pop()

    def _end(self, element: str) -> None:
        if element.rpartition(":")[2] == "instrText":
            self._in_instruction = False

    def _characters(self, text: str) -> None:
        if self._in_instruction:
            instruction = self._open[-1] if self._open else None
            if instruction is None:
                _check_instruction(text)
            else:
                instruction.append(text[:_MAX_INSTRUCTION])
                if len(instruction) > _MAX_INSTRUCTION:
                    raise RefusedFile(Reason.TOO_COMPLEX)


def _attribute(attributes: Attributes, name: str) -> str:
    """Return the attribute that is called so in any namespace."""
    return next((value for key, value in attributes.items() if key.rpartition(":")[2] == name), "")


def _check_instruction(instruction: str) -> None:
    instruction = instruction.strip()
    link = _HYPERLINK.match(instruction)
    if link is not None and any(map(leads_to_file, _readings(link[1]))):
        raise RefusedFile(Reason.LEADS_ELSEWHERE)
    if _FETCHING.match(instruction) is None:
        return
    source = _MAY_NAME_OWN_DISK.match(instruction)
    if source is None or not all(map(is_on_own_disk, _readings(source[2]))):
        raise RefusedFile(Reason.LOADS_REMOTE)


def _readings(written: str) -> tuple[str, str]:
    """Return a path as it is written, and as it is meant: fields write each backslash twice."""
    path = written.strip('"')
    return path, path.replace("\\\\", "\\")

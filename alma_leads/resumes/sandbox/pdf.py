"""Whether a PDF can be read, and does nothing by itself. Runs in the sandbox: it loads qpdf, and takes its time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

import pikepdf
from pikepdf.settings import set_qpdf_limits

from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from alma_leads.resumes.sandbox.targets import leads_to_file

MAX_OBJECTS = 50_000
MAX_VALUES = 500_000
MAX_DECODED_BYTES = 100_000_000
CHUNK_BYTES = 65_536

# Actions (PDF 32000-1, 12.6.4), by what they do. Links (/URI) and jumps (/GoTo) are fine where a click starts them.
_RUNS = {"/JavaScript", "/Launch", "/ImportData", "/SubmitForm", "/Rendition", "/Movie", "/Sound", "/RichMediaExecute"}
_MAY_RUN_UNASKED = {"/GoTo", "/Named", "/Hide", "/SetOCGState", "/Trans"}
# What an action cannot do its work without. An /S alone may be the name of a paragraph's style in a tagged document.
_OPERANDS = {"/JS", "/F", "/Win", "/Mac", "/Unix", "/R", "/OP", "/Sound", "/Annotation", "/T", "/CMD", "/TA"}
_PLAYS = {"/RichMedia", "/Screen", "/Movie", "/Sound", "/3D"}
# Actions that open another file, and what names a file elsewhere (PDF 32000-1, 7.11).
_OPENS_FILES = {"/GoToR", "/GoToE"}
_FILE_NAMES = ("/F", "/UF", "/DOS", "/Mac", "/Unix")
# How qpdf says that something is missing, not merely untidy.
_LOSSES = ("expected n n obj", "non-dictionary object", "too many errors", "/QPDFFake", "EOF while reading")
# Where a stream's content is, if not in the file.
_OUTSIDE = {"/F", "/FFilter", "/FDecodeParms"}
_FILE_KEYS = {"/F", "/UF", "/DOS", "/Mac", "/Unix"}


def check(stream: IO[bytes]) -> None:
    """Refuse a PDF that is damaged, needs a password, acts, or leads to a file elsewhere.

    One with an owner password alone opens for everyone: readers only ask their users not to change it.

    Raises:
        RefusedFile: says why, and what to do.
    """
    # qpdf unpacks what objects are packed in while it opens a file, and would do so without end.
    set_qpdf_limits(
        flate_max_memory=MAX_DECODED_BYTES,
        png_max_memory=MAX_DECODED_BYTES,
        tiff_max_memory=MAX_DECODED_BYTES,
        run_length_max_memory=MAX_DECODED_BYTES,
        max_stream_filters=2,
        parser_max_nesting=100,
        doc_max_warnings=100,
    )
    stream.seek(0)
    try:
        # Without recovery: qpdf would otherwise make half a file whole, in silence.
        with pikepdf.open(cast(BinaryIO, stream), attempt_recovery=False, inherit_page_attributes=False) as document:
            _check_document(document)
    except pikepdf.PasswordError:
        raise RefusedFile(Reason.LOCKED) from None
    except (MemoryError, RecursionError):
        raise RefusedFile(Reason.TOO_COMPLEX) from None
    except pikepdf.PdfError as error:
        # A lock that is none of the standard's: certificates, rights management.
        raise RefusedFile(Reason.LOCKED if "encryption" in str(error) else Reason.DAMAGED) from None
    except (pikepdf.PikepdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, OSError):
        # qpdf and its bindings report a file that contradicts itself in all of these ways.
        raise RefusedFile(Reason.DAMAGED) from None


def _check_document(document: pikepdf.Pdf) -> None:
    if len(document.objects) > MAX_OBJECTS:
        raise RefusedFile(Reason.TOO_COMPLEX)
    root = document.Root
    if "/OpenAction" in root:
        _check_unasked(root["/OpenAction"])
    if "/XFA" in _entries(root.get("/AcroForm")):
        raise RefusedFile(Reason.SCRIPTS)
    names = _entries(root.get("/Names"))
    if "/Collection" in root or any(_holds_something(part) for part in _entries(names.get("/EmbeddedFiles")).values()):
        raise RefusedFile(Reason.CARRIES_FILES)
    _check_values(document)
    _check_pages(document)


def _check_values(document: pikepdf.Pdf) -> None:
    """Look at every object once, whether or not something refers to it; references are not followed, so no loops."""
    seen = 0
    pending: list[Any] = [document.trailer]
    objects: Iterator[Any] = iter(document.objects)
    while True:
        if not pending:
            following = next(objects, None)
            if following is None:
                return
            pending.append(following)
        value = pending.pop()
        seen += 1
        if seen > MAX_VALUES:
            raise RefusedFile(Reason.TOO_COMPLEX)
        if isinstance(value, pikepdf.Array):
            children: list[Any] = list(value)
        elif isinstance(value, pikepdf.Dictionary | pikepdf.Stream):
            entries = _entries(value)
            if isinstance(value, pikepdf.Stream) and not _OUTSIDE.isdisjoint(entries):
                raise RefusedFile(Reason.LOADS_REMOTE)
            _check_dictionary(entries)
            children = list(entries.values())
        else:
            continue
        seen += len(children)
        pending.extend(
            child
            for child in children
            if isinstance(child, pikepdf.Dictionary | pikepdf.Array) and not child.is_indirect
        )


def _check_dictionary(entries: dict[str, Any]) -> None:
    action = _name(entries.get("/S"))
    if action is not None and ("/JS" in entries or (action in _RUNS and not _OPERANDS.isdisjoint(entries))):
        raise RefusedFile(Reason.SCRIPTS)
    if "/AA" in entries:
        for part in _entries(entries["/AA"]).values():
            _check_unasked(part)
    kind = _name(entries.get("/Subtype"))
    if kind in _PLAYS:
        raise RefusedFile(Reason.SCRIPTS)
    if kind == "/FileAttachment" or not _FILE_KEYS.isdisjoint(_entries(entries.get("/EF"))):
        raise RefusedFile(Reason.CARRIES_FILES)
    if _name(entries.get("/Type")) == "/EmbeddedFile":
        raise RefusedFile(Reason.CARRIES_FILES)
    _check_references(action, entries)


def _check_references(action: str | None, entries: dict[str, Any]) -> None:
    """Refuse what names a file elsewhere, whatever it is named for: a jump, a form's source, a page of another file."""
    if action in _OPENS_FILES and not {"/F", "/D", "/T"}.isdisjoint(entries):
        raise RefusedFile(Reason.LEADS_ELSEWHERE)
    if any(isinstance(entries.get(key), pikepdf.String) for key in _FILE_NAMES):
        raise RefusedFile(Reason.LEADS_ELSEWHERE)
    if "/Ref" in entries and "/F" in _entries(entries["/Ref"]):
        raise RefusedFile(Reason.LOADS_REMOTE)
    for key in ("/URI", "/Base"):
        link = entries.get(key)
        if isinstance(link, pikepdf.String) and leads_to_file(str(link)):
            raise RefusedFile(Reason.LEADS_ELSEWHERE)


def _check_unasked(action: Any) -> None:
    """Refuse what a reader would start by itself, unless it only moves about in the document."""
    entries = _entries(action)
    kind = _name(entries.get("/S"))
    if kind is not None and (kind not in _MAY_RUN_UNASKED or "/Next" in entries):
        raise RefusedFile(Reason.SCRIPTS)


def _check_pages(document: pikepdf.Pdf) -> None:
    """Refuse a document without pages, or with pages whose drawing instructions are torn or without end."""
    if not document.pages:
        raise RefusedFile(Reason.DAMAGED)
    room = MAX_DECODED_BYTES
    done: set[tuple[int, int]] = set()
    for page in document.pages:
        contents = page.obj.get("/Contents")
        parts: list[Any] = list(contents) if isinstance(contents, pikepdf.Array) else [contents]
        for part in parts:
            if isinstance(part, pikepdf.Stream) and part.objgen not in done:
                done.add(part.objgen)
                room -= _unpacked_size(part, room)
    # What qpdf only warns of, a reader shows as an empty page.
    warnings = [str(warning) for warning in document.get_warnings()]
    if any("limits error" in warning for warning in warnings):  # nested deeper than set above: left out, not read
        raise RefusedFile(Reason.TOO_COMPLEX)
    if any(map(_tells_of_loss, warnings)):
        raise RefusedFile(Reason.DAMAGED)


def _unpacked_size(stream: pikepdf.Stream, room: int) -> int:
    if _name(stream.get("/Filter")) != "/FlateDecode" or "/DecodeParms" in stream:
        return 0
    packed = stream.read_raw_bytes()
    size = 0
    inflate = zlib.decompressobj()
    try:
        while packed and not inflate.eof:
            size += len(inflate.decompress(packed, CHUNK_BYTES))
            packed = inflate.unconsumed_tail
            if size > room:
                raise RefusedFile(Reason.BOMB)
    except zlib.error:
        raise RefusedFile(Reason.DAMAGED) from None
    return size


def _tells_of_loss(warning: str) -> bool:
    return any(words in warning for words in _LOSSES)


def _entries(value: Any) -> dict[str, Any]:
    if isinstance(value, pikepdf.Stream):
        value = value.stream_dict
    return dict(value.items()) if isinstance(value, pikepdf.Dictionary) else {}


def _name(value: Any) -> str | None:
    return str(value) if isinstance(value, pikepdf.Name) else None


def _holds_something(value: Any) -> bool:
    return not isinstance(value, pikepdf.Array) or len(value) > 0

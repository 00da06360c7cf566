"""Whether a PDF can be read, and does nothing by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

import pikepdf

from alma_leads.resumes.errors import RefusedFile

MAX_OBJECTS = 100_000
MAX_DEPTH = 60

# Actions that run something or send something away (PDF 32000-1, 12.6.4). Links (/URI) and jumps (/GoTo) are fine.
_ACTIVE = {
    "/JavaScript",
    "/Launch",
    "/ImportData",
    "/SubmitForm",
    "/RichMediaExecute",
    "/GoToE",
    "/Rendition",
    "/Movie",
}
_ACTIVE_KEYS = {"/JS", "/JavaScript", "/XFA", "/RichMediaContent"}
_CARRIES = {"/EmbeddedFiles", "/EmbeddedFile"}
_SCRIPT = "The file has scripts in it. Print it to PDF and choose that one, or give a link"
_CARRIED = "The file carries other files in it. Print it to PDF and choose that one, or give a link"
_DAMAGED = "The file is damaged. Save it again as PDF, or give a link"
_LOCKED = "The file is locked with a password. Save it without one, or give a link"


def check_pdf(stream: IO[bytes]) -> None:
    """Refuse a PDF that is damaged, encrypted, or holds something that acts. Decodes no page.

    Raises:
        RefusedFile: says why, and what to do.
    """
    try:
        # Without recovery: qpdf would otherwise make half a file whole, in silence.
        with pikepdf.open(cast(BinaryIO, stream), attempt_recovery=False, inherit_page_attributes=False) as document:
            if document.is_encrypted:
                raise RefusedFile(_LOCKED)
            if not document.pages:
                raise RefusedFile(_DAMAGED)
            if len(document.objects) > MAX_OBJECTS:
                raise RefusedFile("The file is too complicated to check. Print it to PDF and choose that one")
            for value in document.objects:
                _check(value)
            _check(document.trailer)
    except pikepdf.PasswordError:
        raise RefusedFile(_LOCKED) from None
    except RefusedFile:
        raise
    except (pikepdf.PdfError, ValueError, TypeError, KeyError, RuntimeError, OverflowError, RecursionError):
        # qpdf and its bindings report a file that contradicts itself in all of these ways.
        raise RefusedFile(_DAMAGED) from None


def _check(top: Any) -> None:
    """Look at an object and at what it holds directly; what it refers to is looked at on its own turn."""
    pending: list[tuple[Any, int]] = [(top, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise RefusedFile(_DAMAGED)
        pending.extend((child, depth + 1) for child in _children(value))


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, pikepdf.Stream):
        value = value.stream_dict
    if isinstance(value, pikepdf.Dictionary):
        for key in value.keys():  # noqa: SIM118 -- pikepdf's dictionaries iterate over keys only by name
            child = value[key]
            if key in _ACTIVE_KEYS or (key == "/S" and isinstance(child, pikepdf.Name) and str(child) in _ACTIVE):
                raise RefusedFile(_SCRIPT)
            named = str(child) if isinstance(child, pikepdf.Name) else ""
            if key in _CARRIES or (key == "/Type" and named in _CARRIES):
                raise RefusedFile(_CARRIED)
            if key == "/Subtype" and named in ("/FileAttachment", "/RichMedia"):
                raise RefusedFile(_CARRIED)
            if _is_direct_container(child):
                yield child
    elif isinstance(value, pikepdf.Array):
        for child in value:
            if _is_direct_container(child):
                yield child


def _is_direct_container(value: Any) -> bool:
    return isinstance(value, (pikepdf.Dictionary, pikepdf.Array)) and not value.is_indirect

"""Files that a browser keeps: their names, and documents that are made while they are sent."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from itertools import chain
from urllib.parse import quote

from flask import Response, request, stream_with_context

from alma_leads.common.text import without_marks
from alma_leads.file_formats.formats import CONTENT_TYPES, Format


def download(
    export: Callable[[], Iterator[bytes]], *, kind: Format, name: str, byte_order_mark: bool = False
) -> Response:
    """Return a document as a file. A HEAD request exports nothing, and the audit log names no export.

    Args:
        export: starts the export, and returns its chunks.
        kind: of the document.
        name: of the file, without its extension.
        byte_order_mark: begin with one, without which Excel takes UTF-8 for another encoding.
    """
    parts = iter(()) if request.method == "HEAD" else export()
    if byte_order_mark:
        parts = chain([BOM_UTF8], parts)
    response = Response(stream_with_context(parts), content_type=CONTENT_TYPES[kind])
    response.headers.set("Content-Disposition", "attachment", filename=f"{name}.{kind}")
    response.headers["Cache-Control"] = "private, no-store"
    return response


def keep_as(response: Response, file_name: str) -> None:
    """Have the browser keep the answer as a file of this name, in any script (RFC 6266).

    A header is ASCII, so the name goes along twice: as far as ASCII has it, and whole, encoded (RFC 8187).
    """
    plain = without_marks(file_name).encode("ascii", "ignore").decode()
    whole = {} if plain == file_name else {"filename*": f"UTF-8''{quote(file_name, safe='')}"}
    response.headers.set("Content-Disposition", "attachment", filename=plain, **whole)

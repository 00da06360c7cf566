"""Files that a browser keeps: their names, and documents that are made while they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

from flask import Response, request, stream_with_context

from alma_leads.file_formats.streaming import CONTENT_TYPES, Format
from alma_leads.text import without_marks


def download(export: Callable[[], Iterator[bytes]], *, kind: Format, name: str) -> Response:
    """Return what `export` yields as the file `name`.csv, .ndjson or .xlsx. Whoever sends HEAD gets none of it.

    So nothing is exported then, and the log of who exported what does not say so.
    """
    parts = iter(()) if request.method == "HEAD" else export()
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

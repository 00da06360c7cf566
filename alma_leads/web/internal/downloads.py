"""Sending a document that is made while it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Response, request, stream_with_context

from alma_leads.streaming import CONTENT_TYPES, Format


def download(export: Callable[[], Iterator[bytes]], *, kind: Format, name: str) -> Response:
    """Return what `export` yields as the file `name`.csv, .ndjson or .xlsx. Whoever sends HEAD gets none of it.

    So nothing is exported then, and the log of who exported what does not say so.
    """
    parts = iter(()) if request.method == "HEAD" else export()
    response = Response(stream_with_context(parts), content_type=CONTENT_TYPES[kind])
    response.headers.set("Content-Disposition", "attachment", filename=f"{name}.{kind}")
    response.headers["Cache-Control"] = "private, no-store"
    return response

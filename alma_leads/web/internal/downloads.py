"""Sending a document that is made while it is sent."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, stream_with_context

from alma_leads.streaming import CONTENT_TYPES, Format


def download(parts: Iterator[bytes], *, kind: Format, name: str) -> Response:
    """Return `parts` as the file `name`.csv or `name`.ndjson."""
    response = Response(stream_with_context(parts), content_type=CONTENT_TYPES[kind])
    response.headers.set("Content-Disposition", "attachment", filename=f"{name}.{kind}")
    response.headers["Cache-Control"] = "private, no-store"
    return response

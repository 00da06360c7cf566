"""Answers of the desk: private ones, and parts of pages that a script swaps."""

from __future__ import annotations

from flask import Response, request


def wants_part(element_id: str) -> bool:
    """Say whether a script will put the answer into the element `element_id` only (htmx's request headers)."""
    headers = request.headers
    return (
        "HX-Request" in headers
        and "X-API-Key" not in headers  # a part is made for its reader, and a key has none
        and "HX-History-Restore-Request" not in headers
        and headers.get("HX-Target") == element_id
    )


def private(response: Response) -> Response:
    """Mark a page as one person's own: no cache keeps it, and a part is never taken for the whole."""
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Vary"] = "HX-Request"
    return response

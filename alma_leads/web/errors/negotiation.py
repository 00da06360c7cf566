"""HTML or JSON: the one place that decides."""

from __future__ import annotations

from flask import Response, request


def wants_html() -> bool:
    """Say whether this request gets a page.

    A page needs an `Accept` that names `text/html` with a weight not below that of JSON. Everything else is JSON:
    no `Accept`, `*/*`, and any request that carries an `X-API-Key`.
    """
    if "X-API-Key" in request.headers:
        return False
    accept = request.accept_mimetypes
    html = max((weight for kind, weight in accept if kind.lower() == "text/html"), default=0.0)
    return html > 0 and html >= accept["application/json"]


def vary_on_accept(response: Response) -> Response:
    """Tell caches that one address has two representations."""
    known = response.headers.get("Vary")
    response.headers["Vary"] = f"Accept, X-API-Key, {known}" if known else "Accept, X-API-Key"
    return response

"""A number for every request, in its answer and in the log, and one line about each.

The line says who made the request (ASVS 16.2.1): the number of the user or key, and the client's address. No path: it
may name a prospect.
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import cast

import structlog
from flask import Flask, Response, g, has_request_context, request

from alma_leads.common.actor import Actor

log = structlog.get_logger(__name__)


def log_requests(app: Flask) -> None:
    """Make `app` number and log its requests. To be called before any other hook is added."""
    app.logger.addFilter(_route_not_path)
    app.before_request(_begin)
    app.after_request(_end)


def _route_not_path(record: logging.LogRecord) -> bool:
    """Take the path out of what Flask says about an exception."""
    if has_request_context() and record.exc_info:
        record.msg, record.args = "exception in %s [%s]", (request.url_rule, request.method)
    return True


def _who() -> dict[str, int | str]:
    """Return the number of the user or key that made this request; INTERNAL_API_KEY has none."""
    found = cast("Actor | None", g.get("actor"))
    return {} if found is None or found.kind not in ("user", "key") else {found.kind: found.id or found.name}


def _begin() -> None:
    # Always our own: one that a client sends could be anybody's, or somebody's address.
    g.request_id = secrets.token_hex(8)
    g.request_began = time.perf_counter()
    structlog.contextvars.clear_contextvars()  # threads are used again
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    log.info(
        "request",
        method=request.method,
        route=request.url_rule.rule if request.url_rule else None,
        status=response.status_code,
        ms=round((time.perf_counter() - g.request_began) * 1000, 1),
        address=request.remote_addr,
        **_who(),
    )
    return response

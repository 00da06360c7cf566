"""Every error, once: which status it has, as a problem document (RFC 9457) for programs or a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TypedDict

import orjson
import structlog
from flask import Flask, Response, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from alma_leads.extensions import settings
from alma_leads.web.error_words import words_for
from alma_leads.web.negotiation import vary_on_accept, wants_html

log = structlog.get_logger(__name__)


class FieldError(TypedDict):
    """One thing that is wrong with the input."""

    field: str
    message: str


def problem(
    status: int,
    detail: str = "",
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer to a request that failed: JSON, or a page where the client asked for one."""
    if wants_html():
        body = _page(status, detail, headers or {})
        response = make_response(body, status)
    else:
        document: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail or HTTPStatus(status).description or HTTPStatus(status).phrase,
        }
        if errors:
            document["errors"] = list(errors)
        if status >= 500:
            document["request_id"] = g.get("request_id", "")
        response = Response(orjson.dumps(document), status, content_type="application/problem+json")
    response.headers.extend(headers or {})
    response.headers["Cache-Control"] = "no-store"
    return vary_on_accept(response)


def _page(status: int, detail: str, headers: Mapping[str, str]) -> str:
    wait = headers.get("Retry-After")
    return render_template(
        "errors/error.html",
        words=words_for(status, wait_seconds=int(wait) if wait else None),
        status=status,
        detail=detail,
        request_id=g.get("request_id", ""),
        help_email=settings().HELPDESK_EMAIL or "",
    )


def register_error_handlers(app: Flask) -> None:
    """Make `app` answer every failure through `problem`."""
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Exception, _on_exception)


def _on_http_exception(error: HTTPException) -> Response:
    if error.response is not None:
        return make_response(error.response)
    headers = {name: value for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")}
    detail = error.description or ""
    if isinstance(error, CSRFError):
        detail = "The CSRF token is missing or too old. Send it in X-CSRFToken, or open the page again."
    return problem(error.code or 500, detail, headers=headers)


def _on_exception(error: Exception) -> Response:
    log.error("unhandled exception", rule=str(request.url_rule), exc_info=error)
    return problem(500, "Something broke on our side. What you sent was not saved.")

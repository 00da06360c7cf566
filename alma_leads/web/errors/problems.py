"""Every error, once: which status it has, as a problem document (RFC 9457) for programs or a page for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TypedDict

import orjson
import structlog
from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed, NotFound

from alma_leads.accounts.core.errors import (
    KeyNotAllowedFromAddress,
    KeyNotFound,
    NoPasskeysHere,
    PasswordsOff,
    TooManyAttempts,
)
from alma_leads.common.email_address import BadEmailAddress
from alma_leads.common.extensions import settings
from alma_leads.leads.core.errors import (
    AssignmentNotFound,
    EmailNotFound,
    IdempotencyConflict,
    IdempotencyRunning,
    LeadChanged,
    LeadNotFound,
    NotAnActiveAttorney,
    NoteNotFound,
    NotYourNote,
    ResumeGone,
    TooManyForWorkbook,
    TooManyViews,
    TransitionRefused,
    ViewNotFound,
)
from alma_leads.leads.listing.filters import BadFilter
from alma_leads.resumes.disk_space import is_disk_full
from alma_leads.resumes.sandbox.errors import (
    FileTooLarge,
    NoRoom,
    RefusedFile,
    TooManyInspections,
    UploadQuotaSpent,
    UploadsRefused,
)
from alma_leads.web.errors.error_words import SIGN_IN_WAITS, TOO_MANY_FOR_WORKBOOK, UNREADABLE, ErrorWords, words_for
from alma_leads.web.errors.negotiation import vary_on_accept, wants_html
from alma_leads.web.errors.unavailable import RETRY_AFTER_S, is_unavailable, note_unavailable

UNAVAILABLE = "The database or the file store cannot be used right now. Send the request again in a few seconds."
log = structlog.get_logger(__name__)


class FieldError(TypedDict):
    """One thing that is wrong with the input."""

    field: str
    message: str


class InputRefused(Exception):
    """The input is well-formed but cannot be used (422): (field, sentence) for each thing that is wrong."""

    def __init__(self, errors: Sequence[tuple[str, str]], *, detail: str = "") -> None:
        super().__init__(detail or "; ".join(f"{field}: {message}" for field, message in errors))
        self.errors = [FieldError(field=field, message=message) for field, message in errors]
        self.detail = detail or "Some fields cannot be used. Each is named in errors, with what to do."


class UnreadableBody(BadRequest):
    """What was sent is torn, or is not what it says it is (400)."""


def problem(
    status: int,
    detail: str = "",
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    words: ErrorWords | None = None,
) -> Response:
    """Return the answer to a request that failed: JSON, or a page where the client asked for one.

    `words` are for the page, where the usual ones of the status would not do. Every 503 says when to try again.
    """
    headers = dict(headers or {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    if wants_html():
        body = _page(status, detail, headers, words)
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
    response.headers.extend(headers)
    response.headers["Cache-Control"] = "no-store"
    return vary_on_accept(response)


def _page(status: int, detail: str, headers: Mapping[str, str], words: ErrorWords | None) -> str:
    wait = headers.get("Retry-After")
    return render_template(
        "errors/error.html",
        words=words_for(status, wait_seconds=int(wait) if wait else None, words=words),
        status=status,
        detail=detail,
        request_id=g.get("request_id", ""),
        help_email=settings().HELPDESK_EMAIL or "",
    )


# What a failure of the business means over HTTP. A domain error that is not here is a fault of ours: 500.
STATUS_OF: dict[type[Exception], int] = {
    PasswordsOff: 403,
    KeyNotAllowedFromAddress: 403,
    KeyNotFound: 404,
    LeadNotFound: 404,
    EmailNotFound: 404,
    AssignmentNotFound: 404,
    ViewNotFound: 404,
    TransitionRefused: 409,
    IdempotencyRunning: 409,
    LeadChanged: 412,
    NoteNotFound: 404,
    NotYourNote: 403,
    NoPasskeysHere: 404,
}
# Why no file can be taken now.
STATUS_OF_REFUSED_UPLOAD: dict[type[UploadsRefused], int] = {
    TooManyInspections: 503,
    NoRoom: 507,
    UploadQuotaSpent: 429,
}
# Those that are about one field of the input.
FIELD_OF: dict[type[Exception], str] = {
    IdempotencyConflict: "Idempotency-Key",
    NotAnActiveAttorney: "attorney",
    BadEmailAddress: "email",
    RefusedFile: "resume",
    ResumeGone: "resume",
    TooManyViews: "name",
}


def register_error_handlers(app: Flask) -> None:
    """Make `app` answer every failure through `problem`."""
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Exception, _on_exception)
    app.register_error_handler(InputRefused, _refused)
    app.register_error_handler(BadFilter, lambda error: _refused(InputRefused(error.errors)))
    app.register_error_handler(TooManyAttempts, _on_too_many_attempts)
    app.register_error_handler(FileTooLarge, lambda error: problem(413, too_large_sentence(error.limit_bytes)))
    app.register_error_handler(UploadsRefused, _on_uploads_refused)
    app.register_error_handler(TooManyForWorkbook, lambda error: problem(422, str(error), words=TOO_MANY_FOR_WORKBOOK))
    for kind in STATUS_OF:
        app.register_error_handler(kind, _on_domain_error)
    for kind, field in FIELD_OF.items():
        app.register_error_handler(kind, lambda error, field=field: _refused(InputRefused([(field, str(error))])))


def too_large_sentence(limit_bytes: int) -> str:
    """Return what to tell someone whose file has more than `limit_bytes`."""
    return f"The file is larger than {size_text(limit_bytes)}. Choose a smaller one, or give a link"


def size_text(size_bytes: int) -> str:
    """Return a size as people write it: 214 kB, 10 MB."""
    if size_bytes < 1024 * 1024:
        return f"{max(1, round(size_bytes / 1024))} kB"
    return f"{size_bytes / (1024 * 1024):.1f}".removesuffix(".0") + " MB"


def _refused(error: InputRefused) -> Response:
    return problem(422, error.detail, errors=error.errors)


def _on_too_many_attempts(error: TooManyAttempts) -> Response:
    return problem(429, str(error), headers={"Retry-After": str(error.wait_seconds)}, words=SIGN_IN_WAITS)


def _on_uploads_refused(error: UploadsRefused) -> Response:
    headers = {} if error.wait_seconds is None else {"Retry-After": str(error.wait_seconds)}
    return problem(STATUS_OF_REFUSED_UPLOAD[type(error)], str(error), headers=headers)


def _on_domain_error(error: Exception) -> Response:
    headers = {"Retry-After": "5"} if isinstance(error, IdempotencyRunning) else {}
    return problem(STATUS_OF[type(error)], str(error), headers=headers)


def _on_http_exception(error: HTTPException) -> Response:
    if error.response is not None:
        return make_response(error.response)
    if isinstance(error, MethodNotAllowed) and not _exists(error.valid_methods or ()):
        error = NotFound()
    headers = {name: value for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")}
    detail = error.description or ""
    if isinstance(error, CSRFError):
        detail = "The CSRF token is missing or too old. Send it in X-CSRFToken, or open the page again."
    words = UNREADABLE if isinstance(error, UnreadableBody) else None
    return problem(error.code or 500, detail, headers=headers, words=words)


def _exists(methods: Iterable[str]) -> bool:
    """Say whether the address of this request exists for one of `methods`.

    Werkzeug compares methods before it converts what stands in an address: a number that is larger than any id is
    refused as a method where it is refused as an address.
    """
    adapter = current_app.create_url_adapter(request)
    for method in methods:
        try:
            if adapter is not None:
                adapter.match(method=method)
        except (NotFound, MethodNotAllowed):
            continue
        except HTTPException:
            return True
        return True
    return False


def _on_exception(error: Exception) -> Response:
    if is_disk_full(error):  # while a body was taken in
        log.warning("the disk is full", error=str(error))
        return _on_uploads_refused(NoRoom())
    if is_unavailable(error):
        note_unavailable(error)
        return problem(503, UNAVAILABLE)
    log.error("unhandled exception", rule=str(request.url_rule), exc_info=error)
    return problem(500, "Something broke on our side. What you sent was not saved.")

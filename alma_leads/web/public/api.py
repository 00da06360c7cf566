"""`POST /public/leads`: a script's way to send a lead, with a key or without."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from flask import Response, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import Forbidden, HTTPException, TooManyRequests, UnsupportedMediaType

from alma_leads.accounts.core.permissions import Permission
from alma_leads.leads.core.errors import IdempotencyConflict
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.leads.core.source import Source
from alma_leads.leads.intake.idempotency import Reservation
from alma_leads.leads.intake.submission import StoredLead
from alma_leads.leads.intake.submission_service import may_be_replay, release_key, replay, reserve_key
from alma_leads.web.auth import Access, access, by_key
from alma_leads.web.errors.problems import InputRefused
from alma_leads.web.public.blueprint import public
from alma_leads.web.public.intake import (
    RESUME,
    file_sha256,
    keep_upload,
    key_owner,
    seconds_to_wait,
    send,
    sent_files,
    spend_failure,
    spend_one,
    spend_replay,
)
from alma_leads.web.requests.bodies import is_multipart, read_document, validate

MAX_KEY_LENGTH = 255
NOT_AS_JSON = "Send a file as multipart/form-data, or a link in resume_url"
NO_RESUME = "Give a link to your resume, or send the file in the field resume"


@public.post("/public/leads")
@access(Access(None, csrf=False, key_permission=Permission.CREATE_LEADS, takes_file=True))
def create_lead() -> Response:
    """Store a lead and answer with its record."""
    _refuse_cross_site()
    key = _idempotency_key()
    counted = _refuse_over_limit(key)
    try:
        lead, file = _read()
    except (HTTPException, InputRefused):
        spend_failure()
        raise
    return _created(_submit(lead, file, key, replay_counted=counted))


def _submit(lead: LeadIn, file: FileStorage | None, key: str | None, *, replay_counted: bool) -> StoredLead:
    if key is None:
        _refuse_when(spend_one())
        return _store(lead, file, None)
    reservation = reserve_key(key, owner=key_owner())
    try:
        again = replay(reservation, lead, file_sha256=file_sha256(file) if file else None)
    except IdempotencyConflict:
        spend_failure()
        raise
    if again is not None:
        if not replay_counted and spend_replay() is not None:
            _refuse_when(spend_one())  # beyond the free ones a replay counts like any lead
        return again.lead
    try:
        _refuse_when(spend_one())
        return _store(lead, file, reservation)
    except BaseException:
        # Only a success is kept under a key. Should this not be reached, the reservation runs out by itself.
        release_key(reservation)
        raise


def _store(lead: LeadIn, file: FileStorage | None, reservation: Reservation | None) -> StoredLead:
    resume = keep_upload(file) if file is not None else None
    source = Source.KEY if by_key() else Source.API
    return send(lead, source=source, resume=resume, reservation=reservation).lead


def _refuse_cross_site() -> None:
    """Refuse what a page of another site makes its visitors' browsers send. A key is never sent without its owner."""
    if not by_key() and request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise Forbidden(
            "Pages of other sites cannot send leads. Link to the form, or send an API key from your server."
        )


def _refuse_over_limit(key: str | None) -> bool:
    """Refuse a request over the limit before its body is read, unless it may be a replay, of which a few are free.

    Return whether it was counted as one.
    """
    wait = seconds_to_wait()
    if wait is None or key is None:
        _refuse_when(wait)
    elif may_be_replay(key, owner=key_owner()) and spend_replay() is None:
        return True
    else:
        _refuse_when(wait)
    return False


def _read() -> tuple[LeadIn, FileStorage | None]:
    if is_multipart():
        file, errors = sent_files()
        # An error of its own says what to do with the text `resume`.
        fields = {name: text for name, text in request.form.to_dict().items() if name != RESUME}
        return _validated(fields, errors, has_file=file is not None), file
    if request.mimetype == "application/json":
        return _validated(read_document(), [], has_file=False), None
    raise UnsupportedMediaType("Send application/json, or multipart/form-data with a file in the field resume.")


def _validated(document: Any, errors: list[tuple[str, str]], *, has_file: bool) -> LeadIn:
    """Return `document` as a lead, or raise InputRefused with all that is wrong, `errors` and a missing resume too."""
    try:
        lead = validate(LeadIn, document)
        wrong = []
    except InputRefused as refused:
        wrong = [
            (error["field"], NOT_AS_JSON if error["field"] == RESUME else error["message"]) for error in refused.errors
        ]
    # One error a field: where a text was sent twice, what the first one holds does not matter.
    named = {field for field, _ in errors}
    wrong = [(field, message) for field, message in wrong if field not in named] + errors
    if isinstance(document, dict) and not has_file and not {RESUME, "resume_url"} & {field for field, _ in wrong}:
        link = document.get("resume_url")
        if link is None or (isinstance(link, str) and not link.strip()):
            wrong.append(("resume_url", NO_RESUME))
    if wrong:
        raise InputRefused(wrong)
    return lead


def _refuse_when(wait_seconds: int | None) -> None:
    if wait_seconds is not None:
        raise TooManyRequests(
            f"Too many leads came {'with this key' if by_key() else 'from this address'}. "
            f"Try again in {wait_seconds} seconds.",
            retry_after=wait_seconds,
        )


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (1 <= len(key) <= MAX_KEY_LENGTH and all("!" <= character <= "~" for character in key)):
        raise InputRefused([("Idempotency-Key", f"Send 1 to {MAX_KEY_LENGTH} visible ASCII characters, no spaces")])
    return key


def _created(lead: StoredLead) -> Response:
    return Response(
        orjson.dumps(asdict(lead)),
        201,
        {"Location": f"/internal/leads/{lead.id}", "Cache-Control": "no-store"},
        content_type="application/json",
    )

"""`POST /public/leads`: a script's way to send a lead, with a key or without."""

from __future__ import annotations

from dataclasses import asdict

import orjson
from flask import Response, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import TooManyRequests, UnsupportedMediaType

from alma_leads.accounts.permissions import Permission
from alma_leads.leads.idempotency import Reservation
from alma_leads.leads.schemas import LeadIn
from alma_leads.leads.service import release_key, replay, reserve_key
from alma_leads.leads.source import Source
from alma_leads.leads.submission import StoredLead
from alma_leads.web.auth import Access, access, actor, by_key
from alma_leads.web.bodies import allow_upload, is_multipart, read_json, refuse_nul, validate
from alma_leads.web.problems import InputRefused
from alma_leads.web.public.blueprint import public
from alma_leads.web.public.intake import file_sha256, keep_upload, seconds_to_wait, send, spend_one, uploaded_file

MAX_KEY_LENGTH = 255


@public.post("/public/leads")
@access(Access(None, csrf=False, key_permission=Permission.CREATE_LEADS, takes_file=True))
def create_lead() -> Response:
    """Store a lead and answer with its record."""
    key = _idempotency_key()
    if key is None:
        return _created(_submit(None))
    reservation = reserve_key(key, actor=actor())
    try:
        return _created(_submit(reservation))
    except BaseException:
        # Only a success is kept under a key. Should this not be reached, the reservation runs out by itself.
        release_key(reservation)
        raise


def _submit(reservation: Reservation | None) -> StoredLead:
    if reservation is None:
        _refuse_when(seconds_to_wait())
    lead, file = _read()
    if reservation is not None:
        again = replay(reservation, lead, file_sha256=file_sha256(file) if file else None)
        if again is not None:
            return again.lead
    _refuse_when(spend_one())
    resume = keep_upload(file) if file is not None else None
    source = Source.KEY if by_key() else Source.API
    return send(lead, source=source, resume=resume, reservation=reservation).lead


def _read() -> tuple[LeadIn, FileStorage | None]:
    if is_multipart():
        allow_upload()
        fields = request.form.to_dict()
        refuse_nul(fields.values())
        file = uploaded_file()
        lead = validate(LeadIn, fields)
    elif request.is_json:
        file = None
        lead = read_json(LeadIn)
    else:
        raise UnsupportedMediaType("Send application/json, or multipart/form-data with a file in the field resume.")
    if file is None and lead.resume_url is None:
        raise InputRefused([("resume_url", "Give a link to your resume, or send the file in the field resume")])
    return lead, file


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

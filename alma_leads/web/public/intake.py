"""What the form and the API share on the way into `submit_lead`: the rate limit, the upload, the wake-up."""

from __future__ import annotations

import hashlib

from flask import request
from limits import RateLimitItem, parse
from werkzeug.datastructures import FileStorage

from alma_leads.extensions import settings
from alma_leads.leads.idempotency import Reservation
from alma_leads.leads.schemas import LeadIn
from alma_leads.leads.service import Submission, submit_lead
from alma_leads.leads.source import Source
from alma_leads.resumes.service import KeptFile, discard, keep_file
from alma_leads.tasks import wake
from alma_leads.web.auth import actor, by_key
from alma_leads.web.throttle import exhausted, exhausted_for_client, spend, spend_for_client


def seconds_to_wait() -> int | None:
    """Return how long this client, or this key, has to wait before it can send a lead; None when it need not."""
    if by_key():
        return exhausted(*_limit_of_key())
    return exhausted_for_client(parse(settings().RATE_LIMIT_LEADS), "leads")


def spend_one() -> int | None:
    """Count one lead for this client, or this key; return the seconds to wait when there were too many."""
    if by_key():
        return spend(*_limit_of_key())
    return spend_for_client(parse(settings().RATE_LIMIT_LEADS), "leads")


def _limit_of_key() -> tuple[RateLimitItem, str, str]:
    """Return the limit of the key that makes this request: its own, wherever it is sent from."""
    return parse(settings().RATE_LIMIT_KEY_LEADS), "key-leads", str(actor().id or actor().name)


def uploaded_file() -> FileStorage | None:
    """Return the file that came in the field `resume`, or None. Browsers send an empty one when none was chosen."""
    file = request.files.get("resume")
    return file if file is not None and file.filename else None


def file_sha256(file: FileStorage) -> str:
    """Return the SHA-256 of an upload in hexadecimal, and go back to its start."""
    digest = hashlib.sha256()
    while chunk := file.stream.read(65_536):
        digest.update(chunk)
    file.stream.seek(0)
    return digest.hexdigest()


def keep_upload(file: FileStorage) -> KeptFile:
    """Inspect an upload and keep it, belonging to nobody yet.

    Raises:
        RefusedFile: it is not what it should be; nothing is kept.
        FileTooLarge: it is larger than RESUME_MAX_BYTES; nothing is kept.
    """
    return keep_file(file.stream, file_name=file.filename or "")


def send(
    lead: LeadIn, *, source: Source, resume: KeptFile | None, reservation: Reservation | None = None
) -> Submission:
    """Submit a lead, leave no file behind that it does not use, and wake the mail worker."""
    try:
        submission = submit_lead(
            lead,
            resume=resume,
            reservation=reservation,
            actor=actor(),
            source=source,
            address=None if by_key() else request.remote_addr or "",
        )
    except BaseException:
        if resume is not None:
            discard(resume.storage_name)
        raise
    if resume is not None and not submission.created:
        discard(resume.storage_name)
    if submission.created:
        wake()
    return submission

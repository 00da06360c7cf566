"""What the form and the API share on the way into `submit_lead`: the rate limit, the upload, the wake-up."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from flask import request
from limits import RateLimitItem, RateLimitItemPerDay, parse
from werkzeug.datastructures import FileStorage

from alma_leads.common.extensions import settings
from alma_leads.common.secret_key import keyed_hash
from alma_leads.jobs.tasks import wake
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.leads.core.source import Source
from alma_leads.leads.intake.idempotency import Reservation
from alma_leads.leads.intake.submission import Submission
from alma_leads.leads.intake.submission_service import SubmissionResult, submit_lead
from alma_leads.resumes.models import Resume
from alma_leads.resumes.sandbox.errors import FileTooLarge, UploadQuotaSpent
from alma_leads.resumes.service import discard, keep_file
from alma_leads.web.auth import actor, by_key
from alma_leads.web.errors.server_refusals import is_cut_off
from alma_leads.web.errors.unavailable import is_unavailable
from alma_leads.web.requests.form_parser import MAX_BODY_BYTES
from alma_leads.web.throttle import client, exhausted, exhausted_for_client, spend, spend_for_client, times

# As many submissions may be refused as leads be sent, times this: a person who mends a form sends it several times.
FAILURES_TIMES = 10
REPLAYS = parse("60 per minute")
RESUME = "resume"
TEXT_FIELDS = ("first_name", "last_name", "email", "resume_url")
OTHER_FIELD = "Send your resume in the field resume. No other field takes a file"
NO_FILE_NAME = "Send this as a file, with a file name that ends in .pdf or .docx"
ONCE = "Send this field once"


@dataclass(frozen=True, slots=True)
class _Limits:
    """How many leads may be sent, and how many may be refused."""

    leads: RateLimitItem
    failures: RateLimitItem


@lru_cache(maxsize=8)
def _limits(text: str) -> _Limits:
    leads = parse(text)
    return _Limits(leads, times(leads, FAILURES_TIMES))


MEBIBYTE = 1_048_576
KEPT_MEBIBYTES_A_DAY = 100


def seconds_to_wait() -> int | None:
    """Return how long this client, or this key, has to wait before it can send a lead; None when it need not."""
    limits = _own_limits()
    wait = _ask(limits.leads, "leads", count=False)
    return _ask(limits.failures, "refused-leads", count=False) if wait is None else wait


def spend_one() -> int | None:
    """Count one lead for this client, or this key; return the seconds to wait when there were too many."""
    return _ask(_own_limits().leads, "leads", count=True)


def spend_failure() -> None:
    """Count a submission that was refused: `FAILURES_TIMES` as many are free as leads, and of large ones just as many.

    Refusing a small body costs no more than any page; a large one has been read to its end.
    """
    if request.content_length is None or request.content_length > MAX_BODY_BYTES:
        spend_one()
    else:
        _ask(_own_limits().failures, "refused-leads", count=True)


def spend_replay() -> int | None:
    """Count one replay under an idempotency key; return the seconds to wait when the free ones are used up."""
    return _ask(REPLAYS, "replays", count=True)


def key_owner() -> str:
    """Return to whom an idempotency key belongs: to the API key that came with it, or else to the client's network."""
    return _key_name() if by_key() else keyed_hash("owner of an idempotency key", client())


def _own_limits() -> _Limits:
    """Return the limits of whoever makes this request: a key has its own, wherever it is sent from."""
    return _limits(settings().RATE_LIMIT_KEY_LEADS if by_key() else settings().RATE_LIMIT_LEADS)


def _ask(limit: RateLimitItem, name: str, *, count: bool) -> int | None:
    if by_key():
        return (spend if count else exhausted)(limit, f"key-{name}", _key_name())
    return (spend_for_client if count else exhausted_for_client)(limit, name)


def _key_name() -> str:
    return str(actor().id or actor().name)


class Sent(NamedTuple):
    """What a multipart body holds besides text: the resume, and what is wrong with its files and fields."""

    file: FileStorage | None
    errors: list[tuple[str, str]]  # (field, sentence)


def sent_files() -> Sent:
    """Return the file in the field `resume`, and an error for each thing that would otherwise be dropped unseen.

    Browsers send an empty part without a name where no file was chosen: those are ignored.
    """
    chosen = [(field, file) for field, file in request.files.items(multi=True) if file.filename or not _is_empty(file)]
    resumes = [file for field, file in chosen if field == RESUME]
    errors = [(field, OTHER_FIELD) for field in dict.fromkeys(field for field, _ in chosen) if field != RESUME]
    if len(resumes) > 1:
        errors.append((RESUME, f"Send one file, not {len(resumes)}"))
    elif request.form.get(RESUME) or any(not file.filename for file in resumes):
        errors.append((RESUME, NO_FILE_NAME))
    errors += [(field, ONCE) for field in TEXT_FIELDS if len(request.form.getlist(field)) > 1]
    return Sent(resumes[0] if resumes and not errors else None, errors)


def _is_empty(file: FileStorage) -> bool:
    empty = not file.stream.read(1)
    file.stream.seek(0)
    return empty


def file_sha256(file: FileStorage) -> str:
    """Return the SHA-256 of an upload in hexadecimal, and go back to its start."""
    digest = hashlib.sha256()
    while chunk := file.stream.read(65_536):
        digest.update(chunk)
    file.stream.seek(0)
    return digest.hexdigest()


def refuse_beyond_quota() -> None:
    """Raise `UploadQuotaSpent` if this client's forms with errors have left too many files today."""
    wait = exhausted_for_client(_quota(), "kept-files")
    if wait is not None:
        raise UploadQuotaSpent(wait)


def count_kept(kept: Resume) -> None:
    """Count a file that stays here without a lead, since its form came back with errors.

    Raises:
        UploadQuotaSpent: there is no room for it in what this client may leave in a day; it is discarded.
    """
    for _ in range(-(-kept.size_bytes // MEBIBYTE)):
        wait = spend_for_client(_quota(), "kept-files")
        if wait is not None:
            discard(kept.storage_name)
            raise UploadQuotaSpent(wait)


def _quota() -> RateLimitItem:
    """Return how many mebibytes of files a client's forms with errors may leave in a day: ten large ones at least."""
    return RateLimitItemPerDay(max(KEPT_MEBIBYTES_A_DAY, 10 * settings().RESUME_MAX_BYTES // MEBIBYTE))


def keep_upload(file: FileStorage) -> Resume:
    """Inspect an upload and keep it, belonging to nobody yet. What was sent is closed.

    Raises:
        RefusedFile: it is not what it should be; nothing is kept.
        FileTooLarge: it is larger than RESUME_MAX_BYTES; nothing is kept.
        UploadsRefused: no file can be taken now; nothing is kept.
    """
    if is_cut_off():
        raise FileTooLarge(settings().RESUME_MAX_BYTES)
    try:
        return keep_file(file.stream, file_name=file.filename or "", client=client())
    finally:
        file.close()  # at once: an error on its way out would keep it, and its place on a disk that may be full


def send(
    lead: LeadIn, *, source: Source, resume: Resume | None, reservation: Reservation | None = None
) -> SubmissionResult:
    """Submit a lead, leave no file behind that it does not use, and wake the mail worker."""
    try:
        address = None if by_key() else request.remote_addr or ""
        result = submit_lead(Submission(lead, resume, actor(), source, address), reservation=reservation)
    except BaseException as error:
        # If the database can't be used, the file stays for another attempt, and else for the sweep.
        if resume is not None and not is_unavailable(error):
            discard(resume.storage_name)
        raise
    if resume is not None and not result.created:
        discard(resume.storage_name)
    if result.created:
        wake(mail_only=resume is None)
    return result

"""Use cases of a submission: storing it once, and answering a repeated request like the first one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.core.errors import IdempotencyConflict
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.leads.intake import confirmations, idempotency
from alma_leads.leads.intake.idempotency import Reservation
from alma_leads.leads.intake.submission import (
    StoredLead,
    Submission,
    find_duplicate,
    get_stored,
    lock_prospect,
    store_lead,
    uncount,
)


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """The record of a submission, and whether it is new (else it is a duplicate or a replay)."""

    lead: StoredLead
    created: bool


def may_be_replay(key: str, *, owner: str) -> bool:
    """Return whether an idempotency key of `owner` has created a lead, so that its request may be a replay."""
    return idempotency.is_used(db.session(), key, owner=owner, now=utc_now())


def reserve_key(key: str, *, owner: str) -> Reservation:
    """Reserve an idempotency key of `owner`, an API key or a network. Equal keys of two owners are different keys.

    Raises:
        IdempotencyRunning: its first request is still running.
    """
    with transaction() as session:
        return idempotency.reserve(session, key, owner=owner, now=utc_now())


def release_key(reservation: Reservation) -> None:
    """Release a key whose request failed."""
    with transaction() as session:
        idempotency.release(session, reservation)


def purge_expired_submission_records() -> int:
    """Delete idempotency keys and counts of confirmations that are older than a day."""
    with transaction() as session:
        now = utc_now()
        keys = idempotency.purge_expired_keys(session, now=now)
        return keys + confirmations.purge_expired_confirmations(session, now=now)


def request_hash(lead: LeadIn, *, file_sha256: str | None) -> str:
    """Return a hash of a request's parsed fields and file, to compare the requests under one idempotency key."""
    raw = "\0".join((lead.first_name, lead.last_name, lead.email, lead.resume_url or "", file_sha256 or ""))
    return hashlib.sha256(raw.encode()).hexdigest()


def replay(reservation: Reservation, lead: LeadIn, *, file_sha256: str | None) -> SubmissionResult | None:
    """Return the first answer under a key that has created a lead already, or None if the key is ours to use.

    Raises:
        IdempotencyConflict: the key was used with another body.
    """
    if reservation.lead_id is None:
        return None
    if reservation.request_hash != request_hash(lead, file_sha256=file_sha256):
        raise IdempotencyConflict("This key was used with another body.")
    return SubmissionResult(get_stored(db.session(), reservation.lead_id), created=False)


def submit_lead(submission: Submission, *, reservation: Reservation | None = None) -> SubmissionResult:
    """Store a submission with its event and its two emails, all or nothing.

    The same content from the same address within ten minutes is the same submission: nothing is stored, and the record
    of the first one is returned. Its file then stays unattached, for the caller to discard. An idempotency key that is
    reserved is stored with the lead in the same transaction.

    Raises:
        IdempotencyRunning: the reservation was lost to another request.
        ResumeGone: the uploaded file was discarded or attached to another lead meanwhile.
    """
    quota, content_hash = submission.quota, submission.content_hash
    with transaction() as session:
        now = utc_now()  # taken inside, so that on SQLite the order of ids is the order of time
        prospect = lock_prospect(session, submission, quota)
        duplicate_id = None
        if prospect.lead_count > 1:
            duplicate_id = find_duplicate(session, prospect, content_hash, now=now)
        if duplicate_id is None:
            stored = store_lead(session, submission, prospect, quota, now=now)
        else:
            uncount(session, prospect)
            stored = get_stored(session, duplicate_id)
        if reservation is not None:
            digest = request_hash(submission.lead, file_sha256=submission.file_sha256)
            idempotency.complete(session, reservation, request_hash=digest, lead_id=stored.id)
    return SubmissionResult(stored, created=duplicate_id is None)

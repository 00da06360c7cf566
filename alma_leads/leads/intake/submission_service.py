"""Use cases of a submission: storing it once, and answering a repeated request as the first one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from alma_leads.actor import PROSPECT, Actor
from alma_leads.database.base import utc_now
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db
from alma_leads.leads.core.errors import IdempotencyConflict
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.leads.core.source import Source
from alma_leads.leads.intake import confirmations, idempotency, submission
from alma_leads.leads.intake.idempotency import Reservation
from alma_leads.resumes.models import Resume


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a submission: the record, and whether it is new (else it is a twin or a replay)."""

    lead: submission.StoredLead
    created: bool


def may_be_replay(key: str, *, owner: str) -> bool:
    """Say whether an idempotency key of `owner` has made a lead, so that its request may be a replay."""
    with reading(db.engine) as connection:
        return idempotency.kept(connection, key, owner=owner, now=utc_now())


def reserve_key(key: str, *, owner: str) -> Reservation:
    """Take an idempotency key of `owner`, an API key or a network. Those of two owners never meet.

    Raises:
        IdempotencyRunning: its first request still runs.
    """
    with transaction_on(db.engine) as connection:
        return idempotency.reserve(connection, key, owner=owner, now=utc_now())


def release_key(reservation: Reservation) -> None:
    """Give a key back whose request failed."""
    with transaction_on(db.engine) as connection:
        idempotency.release(connection, reservation)


def forget_old_keys() -> int:
    """Delete idempotency keys and counts of confirmations that are past their day."""
    with transaction_on(db.engine) as connection:
        now = utc_now()
        return idempotency.forget(connection, now=now) + confirmations.forget(connection, now=now)


def request_hash(lead: LeadIn, *, file_sha256: str | None) -> str:
    """Return a hash of a request's parsed fields and file, for comparing the requests under one idempotency key."""
    raw = "\0".join((lead.first_name, lead.last_name, lead.email, lead.resume_url or "", file_sha256 or ""))
    return hashlib.sha256(raw.encode()).hexdigest()


def replay(reservation: Reservation, lead: LeadIn, *, file_sha256: str | None) -> Submission | None:
    """Return the first answer under a key that has made a lead already, or None when the key is still ours to use.

    Raises:
        IdempotencyConflict: the key was used with another body.
    """
    if reservation.lead_id is None:
        return None
    if reservation.request_hash != request_hash(lead, file_sha256=file_sha256):
        raise IdempotencyConflict("This key was used with another body.")
    with reading(db.engine) as connection:
        return Submission(submission.stored(connection, reservation.lead_id), created=False)


def submit_lead(
    lead: LeadIn,
    *,
    resume: Resume | None = None,
    reservation: Reservation | None = None,
    actor: Actor = PROSPECT,
    source: Source = Source.FORM,
    address: str | None = None,
) -> Submission:
    """Store a submission with its event and its two e-mails, all or nothing.

    The same content from the same address within ten minutes is the same submission: nothing is stored, and the
    first one's record is returned. A file that is not attached then stays unattached, for the caller to discard.

    Args:
        lead: the validated fields.
        resume: an uploaded file that is kept but belongs to no lead yet.
        reservation: an idempotency key that is ours; kept with the lead in the same transaction.
        actor: who submitted it.
        source: by which door it came.
        address: of the client, whose network causes so many confirmations a day; None with an API key.

    Raises:
        IdempotencyRunning: the reservation was lost to another request.
        ResumeGone: the kept file was discarded or taken meanwhile.
    """
    file_sha256 = resume.sha256 if resume else None
    content = submission.content_hash(lead, file_sha256=file_sha256)
    who = confirmations.counted_for(lead.normalised_email, address=address)
    with transaction_on(db.engine) as connection:
        now = utc_now()  # taken inside, so that on SQLite the order of numbers is the order of time
        prospect = submission.take_prospect(connection, lead.normalised_email, who=who)
        twin_id = None
        if prospect.lead_count > 1:
            twin_id = submission.find_twin(connection, prospect, content=content, now=now)
        if twin_id is not None:
            submission.give_back(connection, prospect)
            stored, created = submission.stored(connection, twin_id), False
        else:
            stored = submission.store(connection, lead, resume, prospect, who, content, actor, source, now)
            created = True
        if reservation is not None:
            digest = request_hash(lead, file_sha256=file_sha256)
            idempotency.complete(connection, reservation, request_hash=digest, lead_id=stored.id)
    return Submission(stored, created)

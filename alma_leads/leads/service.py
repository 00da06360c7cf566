"""The use cases of the business: each one function and one transaction. The only commits of the business are here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection

from alma_leads.actor import PROSPECT, Actor
from alma_leads.database import Sql, reading, to_stamp, transaction, utc_now
from alma_leads.extensions import db
from alma_leads.leads import confirmations, first_contact, idempotency, submission
from alma_leads.leads.errors import IdempotencyConflict, LeadChanged, LeadNotFound, TransitionRefused
from alma_leads.leads.events import EventKind, record
from alma_leads.leads.idempotency import Reservation
from alma_leads.leads.schemas import LeadIn
from alma_leads.leads.source import Source
from alma_leads.leads.state import LeadStatus, sources_of
from alma_leads.resumes.service import KeptFile

_SOURCES = ", ".join(f"'{source}'" for source in sources_of(LeadStatus.REACHED_OUT))
MARK = f"""
    UPDATE leads SET status = 'REACHED_OUT', reached_out_at = :now, reached_out_by = :name, updated_at = :now,
           {first_contact.SETTLED}
    WHERE status IN ({_SOURCES})"""
# What the event of a mark says.
MARKED = {"status": {"old": LeadStatus.PENDING.value, "new": LeadStatus.REACHED_OUT.value}}
# The rule of transitions stands in the WHERE: of two people who press together, one changes a row.
_MARK_ONE = Sql(f"{MARK} AND id = :id RETURNING id")
_MARK_AS_SEEN = Sql(f"{MARK} AND id = :id AND updated_at = :seen RETURNING id")
_MARK_ALL = Sql(f"{MARK} AND prospect_id = :prospect_id RETURNING id")
# Marks of one prospect's leads stand in line, so that two of them cannot wait for each other.
_HOLD_PROSPECT = Sql("UPDATE prospects SET lead_count = lead_count WHERE id = :prospect_id")
_CURRENT = Sql("SELECT status, prospect_id, updated_at FROM leads WHERE id = :id")


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
    with transaction(db.engine) as connection:
        return idempotency.reserve(connection, key, owner=owner, now=utc_now())


def release_key(reservation: Reservation) -> None:
    """Give a key back whose request failed."""
    with transaction(db.engine) as connection:
        idempotency.release(connection, reservation)


def forget_old_keys() -> int:
    """Delete idempotency keys and counts of confirmations that are past their day."""
    with transaction(db.engine) as connection:
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
    resume: KeptFile | None = None,
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
    with transaction(db.engine) as connection:
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


def mark_reached_out(
    lead_id: int, *, actor: Actor, with_siblings: bool = False, seen_updated_at: str | None = None
) -> list[int]:
    """Mark a lead reached out, and return the leads that changed: none when it was done already.

    Marking twice, also by two people at once, makes one change and one event.

    Args:
        lead_id: the lead.
        actor: who does it.
        with_siblings: mark the prospect's other pending leads with it, each with its event.
        seen_updated_at: the stamp of the version that the caller saw; another one is not touched.

    Raises:
        LeadNotFound: there is none.
        LeadChanged: it is no longer as the caller saw it.
    """
    with transaction(db.engine) as connection:
        now = to_stamp(utc_now())
        change = {"now": now, "name": actor.name}
        if with_siblings:
            prospect_id = _current(connection, lead_id)[1]
            _HOLD_PROSPECT.run(connection, prospect_id=prospect_id)
            rows = _MARK_ALL.rows(connection, prospect_id=prospect_id, **change)
        elif seen_updated_at is None:
            rows = _MARK_ONE.rows(connection, id=lead_id, **change)
        else:
            rows = _MARK_AS_SEEN.rows(connection, id=lead_id, seen=seen_updated_at, **change)
        if not rows:
            current = _current(connection, lead_id)
            if seen_updated_at is not None and current[2] != seen_updated_at:
                raise LeadChanged(lead_id)
        marked = sorted(row[0] for row in rows)
        for each in marked:
            record(connection, each, kind=EventKind.REACHED_OUT, actor=actor, at=now, data=MARKED)
    return marked


def change_status(lead_id: int, wanted: LeadStatus, *, actor: Actor, seen_updated_at: str | None = None) -> None:
    """Give a lead the status `wanted`. The status it already has is no change and no event.

    Raises:
        LeadNotFound: there is none.
        LeadChanged: it is no longer as the caller saw it.
        TransitionRefused: a lead never goes back.
    """
    if sources_of(wanted):
        mark_reached_out(lead_id, actor=actor, seen_updated_at=seen_updated_at)
        return
    with reading(db.engine) as connection:
        status = LeadStatus(_current(connection, lead_id)[0])
    if status is not wanted:
        raise TransitionRefused(status, wanted)


def _current(connection: Connection, lead_id: int) -> tuple[str, int, str]:
    row = _CURRENT.row(connection, id=lead_id)
    if row is None:
        raise LeadNotFound(lead_id)
    status, prospect_id, updated_at = row
    return status, prospect_id, updated_at

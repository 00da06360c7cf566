"""Store a submission: prospect, lead, event and emails. Runs in the transaction of `submission_service`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import User
from alma_leads.common.actor import PROSPECT, Actor
from alma_leads.common.extensions import settings
from alma_leads.common.folding import fold, search_text
from alma_leads.database.base import to_stamp
from alma_leads.database.functions import advisory_lock
from alma_leads.database.upsert import insert
from alma_leads.leads.assignments.assignment_rules import ARE_ANY, assign_new_prospect, choose
from alma_leads.leads.conflicts.blocking_keys import store_blocking_keys
from alma_leads.leads.core import emails
from alma_leads.leads.core.attorneys import IS_ACTIVE_ATTORNEY
from alma_leads.leads.core.errors import LeadNotFound, ResumeGone
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.lookup import protected_address
from alma_leads.leads.core.models import Lead, Prospect
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.leads.core.source import Source
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.leads.intake import confirmations
from alma_leads.leads.intake.confirmations import Limit, Quota
from alma_leads.outbox.queue import enqueue
from alma_leads.resumes.models import Resume
from alma_leads.resumes.service import attach

DUPLICATE_WINDOW = timedelta(minutes=10)

# Finds or creates the prospect, and locks it: submissions by one prospect wait here for each other, so that of 20
# identical ones at the same instant 19 see the first. The look for a duplicate must be a statement of its own, since on
# PostgreSQL a statement sees only what was committed before it began. The mailbox is locked too: its spellings are as
# many prospects, and share one limit of confirmations.
_NEW_PROSPECT = insert(Prospect).values({Prospect.email: bindparam("email"), Prospect.lead_count: 1})
_LOCK_PROSPECT = _NEW_PROSPECT.on_conflict_do_update(
    index_elements=[Prospect.email], set_={"lead_count": Prospect.lead_count + 1}
).returning(
    Prospect.id,
    Prospect.lead_count,
    Prospect.attorney_id,
    first_contact.CURRENT_VERSION.label("clock_version"),
    ARE_ANY.label("has_rules"),
    advisory_lock(bindparam("mailbox", type_=Prospect.email.type)),
)
_UNCOUNT = (
    update(Prospect).where(Prospect.id == bindparam("prospect")).values({Prospect.lead_count: Prospect.lead_count - 1})
)
_FIND_DUPLICATE = select(func.min(Lead.id)).where(
    Lead.prospect_id == bindparam("prospect"),
    Lead.content_hash == bindparam("content"),
    Lead.created_at > bindparam("since"),
)
_EARLIER = (
    select(Lead.id, Lead.status)
    .where(Lead.prospect_id == bindparam("prospect"), Lead.id < bindparam("lead"))
    .order_by(Lead.id.desc())
    .limit(3)
)
_ACTIVE_ATTORNEY = select(User.email).where(User.id == bindparam("id"), IS_ACTIVE_ATTORNEY)
_INSERT_LEAD = insert(Lead).returning(Lead.id)
_FIND_STORED = select(Lead.id, Lead.first_name, Lead.last_name, Lead.email, Lead.resume_url).where(
    Lead.id == bindparam("id")
)

# The prospect of a submission: a row of `_LOCK_PROSPECT`. `lead_count` includes this submission; `has_rules` says
# whether there are rules by which a new prospect is assigned.
LockedProspect = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Submission:
    """What is submitted, by whom, and through which channel.

    `resume` is an uploaded file that is stored but belongs to no lead yet. The network of `client_address` causes only
    so many confirmations a day; the address is None with an API key.
    """

    lead: LeadIn
    resume: Resume | None = None
    actor: Actor = PROSPECT
    source: Source = Source.FORM
    client_address: str | None = None

    @property
    def file_sha256(self) -> str | None:
        """The hash of the uploaded file."""
        return self.resume.sha256 if self.resume else None

    @property
    def content_hash(self) -> str:
        """A hash that is the same for the same content from the same address (files by hash)."""
        lead = self.lead
        parts = (lead.first_name, lead.last_name, lead.normalised_email, lead.resume_url or "", self.file_sha256 or "")
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def quota(self) -> Quota:
        """Whose limits its confirmation counts against."""
        return confirmations.quota_of(self.lead.normalised_email, address=self.client_address)


@dataclass(frozen=True, slots=True)
class StoredLead:
    """The record that the public side answers with."""

    id: int
    first_name: str
    last_name: str
    email: str
    resume_url: str
    # The first answer, repeated even when the firm has acted since.
    status: str = LeadStatus.PENDING.value


def lock_prospect(session: Session, submission: Submission, quota: Quota) -> LockedProspect:
    """Find or create the prospect, count one more lead, and lock it and its mailbox until the transaction ends."""
    params = {"email": submission.lead.normalised_email, "mailbox": quota.mailbox}
    return session.connection().execute(_LOCK_PROSPECT, params).one()


def find_duplicate(session: Session, prospect: LockedProspect, content_hash: str, *, now: datetime) -> int | None:
    """Return the id of the prospect's first lead with the same content in the last ten minutes, or None."""
    params = {"prospect": prospect.id, "content": content_hash, "since": now - DUPLICATE_WINDOW}
    duplicate_id: int | None = session.connection().execute(_FIND_DUPLICATE, params).scalar()
    return duplicate_id


def uncount(session: Session, prospect: LockedProspect) -> None:
    """Undo the counting of `lock_prospect` for a submission that turned out to be a duplicate."""
    session.connection().execute(_UNCOUNT, {"prospect": prospect.id})


def store_lead(
    session: Session, submission: Submission, prospect: LockedProspect, quota: Quota, *, now: datetime
) -> StoredLead:
    """Store a new lead of `prospect` with its event and its emails, and attach its file.

    Raises:
        ResumeGone: the uploaded file was discarded or attached to another lead meanwhile.
    """
    connection = session.connection()
    lead, resume = submission.lead, submission.resume
    clock = first_contact.of_version(connection, prospect.clock_version)
    choice = None
    if prospect.has_rules and prospect.attorney_id is None and prospect.lead_count == 1:
        choice = choose(connection, lead.normalised_email, today=clock.working.day_of(now))
    attorney_id = choice.attorney_id if choice else prospect.attorney_id
    reached = confirmations.count_confirmation(connection, quota, now=now)
    values = {
        **_content(submission),
        **_targets(clock, now),
        "prospect_id": prospect.id,
        "attorney_id": attorney_id,
        "confirmation_queued": reached is None,
    }
    lead_id: int = connection.execute(_INSERT_LEAD, values).scalar_one()
    store_blocking_keys(
        connection, lead_id, first_name=lead.first_name, last_name=lead.last_name, address=lead.normalised_email
    )
    _record_events(connection, submission, lead_id, reached, now)
    if choice:
        assign_new_prospect(connection, choice, prospect_id=prospect.id, lead_id=lead_id, now=to_stamp(now))
    attorney = choice.email if choice else _find_active_attorney(connection, attorney_id)
    _enqueue_emails(connection, submission, lead_id, prospect, attorney, confirm=reached is None)
    if resume and not attach(session, resume.storage_name, lead_id=lead_id):
        raise ResumeGone("The file is no longer stored. Choose it again.")
    return StoredLead(lead_id, lead.first_name, lead.last_name, lead.email, values["resume_url"] or _file_url(lead_id))


def get_stored(session: Session, lead_id: int) -> StoredLead:
    """Return the record of a lead that was stored before.

    Raises:
        LeadNotFound: there is none.
    """
    row = session.connection().execute(_FIND_STORED, {"id": lead_id}).one_or_none()
    if row is None:
        raise LeadNotFound(lead_id)
    return StoredLead(row.id, row.first_name, row.last_name, row.email, row.resume_url or _file_url(row.id))


def _file_url(lead_id: int) -> str:
    return f"{protected_address(settings().PUBLIC_URL)}{lead_id}/resume"


def _content(submission: Submission) -> dict[str, Any]:
    """Return the columns of a lead that say what was submitted. With a file, its own address stands for the link."""
    lead, source = submission.lead, submission.source
    return {
        "first_name": lead.first_name,
        "last_name": lead.last_name,
        "email": lead.email,
        "resume_url": None if submission.resume else lead.resume_url,
        "content_hash": submission.content_hash,
        "search_text": search_text(first_name=lead.first_name, last_name=lead.last_name, email=lead.email),
        "last_name_key": fold(lead.last_name),
        "source": source,
        "source_key_id": submission.actor.id if source is Source.KEY else None,
    }


def _targets(clock: FirstContact, now: datetime) -> dict[str, Any]:
    """Return the columns of a new lead that say since when it waits, and until when."""
    targets = clock.moments(now)
    return {
        "status": LeadStatus.PENDING,
        "created_at": now,
        "updated_at": now,
        "amber_at": targets and targets.amber_at,
        "due_at": targets and targets.due_at,
        "remind_at": targets and targets.due_at,
        "clock_version": clock.version,
    }


def _record_events(
    connection: Connection,
    submission: Submission,
    lead_id: int,
    reached: Limit | None,
    now: datetime,
) -> None:
    actor, at = submission.actor, to_stamp(now)
    data = {}
    if submission.resume:
        data["file"] = submission.resume.file_name
        if submission.lead.resume_url:
            data["link"] = submission.lead.resume_url
    if submission.source is Source.API:
        data["source"] = submission.source.value
    record(connection, lead_id, kind=EventKind.SUBMITTED, actor=actor, at=at, data=data)
    if reached:
        reason = {"limit": confirmations.LIMITS[reached], "hours": 24, "of": reached.value}
        record(connection, lead_id, kind=EventKind.CONFIRMATION_SUPPRESSED, actor=actor, at=at, data=reason)


def _enqueue_emails(
    connection: Connection,
    submission: Submission,
    lead_id: int,
    prospect: LockedProspect,
    attorney: str | None,
    *,
    confirm: bool,
) -> None:
    earlier: list[tuple[int, str]] = []
    if prospect.lead_count > 1:
        rows = connection.execute(_EARLIER, {"prospect": prospect.id, "lead": lead_id})
        earlier = [(row.id, row.status.value) for row in rows]
    messages = [
        emails.notification(
            submission.lead,
            lead_id=lead_id,
            attorney_email=attorney,
            file_name=submission.resume.file_name if submission.resume else None,
            earlier=earlier,
        )
    ]
    if confirm:
        messages.insert(0, emails.confirmation(submission.lead, lead_id=lead_id))
    enqueue(connection, *messages)


def _find_active_attorney(connection: Connection, user_id: int | None) -> str | None:
    """Return the address of the attorney, or None if there is none or that user is no longer active."""
    return connection.execute(_ACTIVE_ATTORNEY, {"id": user_id}).scalar() if user_id else None

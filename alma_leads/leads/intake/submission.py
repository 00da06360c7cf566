"""Storing a submission: prospect, twin, lead, event, e-mails. Runs in the transaction of `leads.service`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.actor import Actor
from alma_leads.database.base import to_stamp
from alma_leads.database.raw import Sql, Step, run_together
from alma_leads.extensions import settings
from alma_leads.folding import fold, search_text
from alma_leads.leads.assignments.assignment_rules import ANY_RULES, assign_new_prospect, choose
from alma_leads.leads.conflicts.blocking_keys import store_blocking_keys
from alma_leads.leads.core import emails
from alma_leads.leads.core.attorneys import SERVES
from alma_leads.leads.core.errors import LeadNotFound, ResumeGone
from alma_leads.leads.core.events import EventKind, record, recording
from alma_leads.leads.core.lookup import protected_address
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.leads.core.source import Source
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.first_contact import Moments
from alma_leads.leads.intake import confirmations
from alma_leads.leads.intake.confirmations import Counted
from alma_leads.outbox.queue import enqueuing
from alma_leads.resumes.models import Resume
from alma_leads.resumes.service import attach

TWIN_WINDOW = timedelta(minutes=10)

# Takes the row of the prospect, and holds it: submissions by one prospect stand in line here, so that of 20 identical
# ones at the same instant 19 see the first. On PostgreSQL the look for a twin must be a statement of its own, since a
# statement sees only what was committed before it began. There the mailbox is held too: its spellings are as many
# prospects, and share one limit of confirmations.
_TAKE = f"""
    INSERT INTO prospects (email, lead_count) VALUES (:email, 1)
    ON CONFLICT (email) DO UPDATE SET lead_count = prospects.lead_count + 1
    RETURNING id, lead_count, attorney_id, {{next_lead_id}}, {first_contact.VERSION}, {ANY_RULES}{{hold_mailbox}}
"""
# The number of the lead comes with it, so that its e-mails can be written before it is stored: on SQLite whoever is
# here is the only writer; on PostgreSQL the sequence gives it to nobody else.
_TAKE_PROSPECT = Sql(
    sqlite=_TAKE.format(
        next_lead_id="(SELECT coalesce(max(id), 0) + 1 FROM leads)",
        hold_mailbox="",
    ),
    postgresql=_TAKE.format(
        next_lead_id="nextval(pg_get_serial_sequence('leads', 'id'))",
        hold_mailbox=", pg_advisory_xact_lock(hashtextextended(:mailbox, 0))",
    ),
)
_GIVE_BACK = Sql("UPDATE prospects SET lead_count = lead_count - 1 WHERE id = :prospect_id")
_TWIN = Sql("""
    SELECT min(id) FROM leads
    WHERE prospect_id = :prospect_id AND content_hash = :content_hash AND created_at > :twin_since
""")
_EARLIER = Sql("SELECT id, status FROM leads WHERE prospect_id = :prospect_id ORDER BY id DESC LIMIT 3")
_ACTIVE_ATTORNEY = Sql(f"SELECT u.email FROM users u WHERE u.id = :id AND {SERVES}")
_INSERT_LEAD = Sql("""
    INSERT INTO leads (id, prospect_id, first_name, last_name, email, resume_url, status, attorney_id, content_hash,
                       confirmation_queued, search_text, last_name_key, created_at, updated_at, source, source_key_id,
                       amber_at, due_at, remind_at, clock_version)
    VALUES (:id, :prospect_id, :first_name, :last_name, :email, :resume_url, 'PENDING', :attorney_id, :content_hash,
            :confirmation_queued, :search_text, :last_name_key, :now, :now, :source, :source_key_id,
            :amber_at, :due_at, :due_at, :clock_version)
""")
_STORED = Sql("""
    SELECT id, first_name, last_name, email, coalesce(resume_url, :files || id || '/resume') FROM leads WHERE id = :id
""")


class Prospect(NamedTuple):
    """The prospect of a submission. `lead_count` counts this submission too; `next_lead_id` is the number it gets.

    `clock_version` is that of the firm's settings for a first contact; `any_rules` says whether there is a rule for
    whom a new prospect goes to.
    """

    id: int
    lead_count: int
    attorney_id: int | None
    next_lead_id: int
    clock_version: int
    any_rules: bool

    @property
    def is_to_be_given(self) -> bool:
        """Whether a rule decides who gets this prospect, since nobody has and no lead came before."""
        return self.any_rules and self.attorney_id is None and self.lead_count == 1


@dataclass(frozen=True, slots=True)
class StoredLead:
    """The record that the public side answers with."""

    id: int
    first_name: str
    last_name: str
    email: str
    resume_url: str
    # What it was answered with first, also when it is answered again after the firm has acted.
    status: str = LeadStatus.PENDING.value


def content_hash(lead: LeadIn, *, file_sha256: str | None) -> str:
    """Return a hash that is the same for the same content from the same address (files by hash)."""
    parts = (lead.first_name, lead.last_name, lead.normalised_email, lead.resume_url or "", file_sha256 or "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def take_prospect(connection: Connection, normalised_email: str, *, who: Counted) -> Prospect:
    """Find or make the prospect, counting one lead more, and hold it and its mailbox until the transaction ends."""
    row = _TAKE_PROSPECT.row(connection, email=normalised_email, mailbox=who.mailbox)
    assert row is not None
    return Prospect(*row[: len(Prospect._fields)])


def give_back(connection: Connection, prospect: Prospect) -> None:
    """Undo the counting of `take_prospect` for a submission that turned out to be a twin."""
    _GIVE_BACK.run(connection, prospect_id=prospect.id)


def find_twin(connection: Connection, prospect: Prospect, *, content: str, now: datetime) -> int | None:
    """Return the first lead of the prospect with the same content, if it came a short while ago."""
    row = _TWIN.row(connection, prospect_id=prospect.id, content_hash=content, twin_since=to_stamp(now - TWIN_WINDOW))
    assert row is not None
    found: int | None = row[0]
    return found


def _earlier_leads(connection: Connection, prospect: Prospect) -> list[tuple[int, str]]:
    """Return (number, status) of the newest earlier leads of the prospect, at most three."""
    return [(row[0], row[1]) for row in _EARLIER.rows(connection, prospect_id=prospect.id)]


def _active_attorney(connection: Connection, user_id: int) -> str | None:
    """Return the address of the attorney, or None when that person is no longer active."""
    row = _ACTIVE_ATTORNEY.row(connection, id=user_id)
    return None if row is None else row[0]


def _inserting(
    lead: LeadIn,
    *,
    prospect: Prospect,
    target: Moments | None,
    content: str,
    by_file: bool,
    confirmation_queued: bool,
    source: Source,
    actor: Actor,
    now: str,
) -> Step:
    """Return the statement that stores the lead. With a file the link is left out: the file's address stands for it."""
    return _INSERT_LEAD, {
        "id": prospect.next_lead_id,
        "prospect_id": prospect.id,
        "first_name": lead.first_name,
        "last_name": lead.last_name,
        "email": lead.email,
        "resume_url": None if by_file else lead.resume_url,
        "attorney_id": prospect.attorney_id,
        "content_hash": content,
        "confirmation_queued": confirmation_queued,
        "search_text": search_text(first_name=lead.first_name, last_name=lead.last_name, email=lead.email),
        "last_name_key": fold(lead.last_name),
        "source": source.value,
        "source_key_id": actor.id if source is Source.KEY else None,
        "amber_at": target and to_stamp(target.amber_at),
        "due_at": target and to_stamp(target.due_at),
        "clock_version": prospect.clock_version,
        "now": now,
    }


def store(
    connection: Connection,
    lead: LeadIn,
    resume: Resume | None,
    prospect: Prospect,
    who: Counted,
    content: str,
    actor: Actor,
    source: Source,
    now: datetime,
) -> StoredLead:
    """Store a new lead of `prospect` with its event and its e-mails, and attach its file.

    Raises:
        ResumeGone: the kept file was discarded or taken meanwhile.
    """
    stamp = to_stamp(now)
    lead_id = prospect.next_lead_id
    reached = confirmations.take(connection, who, now=now)
    earlier = _earlier_leads(connection, prospect) if prospect.lead_count > 1 else []
    public_url = settings().PUBLIC_URL
    clock = first_contact.of_version(connection, prospect.clock_version)
    choice = None
    if prospect.is_to_be_given:
        choice = choose(connection, lead.normalised_email, today=clock.working.day_of(now))
        prospect = prospect._replace(attorney_id=choice and choice.attorney_id)
    attorney = choice.email if choice else None
    if prospect.attorney_id and not choice:
        attorney = _active_attorney(connection, prospect.attorney_id)
    messages = [
        emails.notification(
            lead,
            lead_id=lead_id,
            attorney_email=attorney,
            file_name=resume.file_name if resume else None,
            earlier=earlier,
        )
    ]
    if reached is None:
        messages.insert(0, emails.confirmation(lead, lead_id=lead_id))
    detail = {"file": resume.file_name} if resume else {}
    if resume and lead.resume_url:
        detail["link"] = lead.resume_url
    if source is Source.API:
        detail["source"] = source.value
    run_together(
        connection,
        _inserting(
            lead,
            prospect=prospect,
            target=clock.moments(now),
            content=content,
            by_file=resume is not None,
            confirmation_queued=reached is None,
            source=source,
            actor=actor,
            now=stamp,
        ),
        recording(lead_id, kind=EventKind.SUBMITTED, actor=actor, at=stamp, data=detail),
        enqueuing(messages, now=now),
    )
    store_blocking_keys(
        connection, lead_id, first_name=lead.first_name, last_name=lead.last_name, address=lead.normalised_email
    )
    if choice is not None:
        assign_new_prospect(connection, choice, prospect_id=prospect.id, lead_id=lead_id, now=stamp)
    if reached is not None:
        reason = {"limit": confirmations.LIMITS[reached], "hours": 24, "of": reached.value}
        record(connection, lead_id, kind=EventKind.CONFIRMATION_SUPPRESSED, actor=actor, at=stamp, data=reason)
    if resume is not None and not attach(connection, resume.storage_name, lead_id=lead_id):
        raise ResumeGone("The file is no longer kept. Choose it again.")
    link = f"{protected_address(public_url)}{lead_id}/resume" if resume else lead.resume_url or ""
    return StoredLead(lead_id, lead.first_name, lead.last_name, lead.email, link)


def stored(connection: Connection, lead_id: int) -> StoredLead:
    """Return the record of a lead that is there already.

    Raises:
        LeadNotFound: there is none.
    """
    row = _STORED.row(connection, id=lead_id, files=protected_address(settings().PUBLIC_URL))
    if row is None:
        raise LeadNotFound(lead_id)
    return StoredLead(*row)

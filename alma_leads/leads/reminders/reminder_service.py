"""Use cases of reminders: an attorney gets one for a lead past its target, the helpdesk one for a lead past it twice.

While an attorney is away the helpdesk is reminded instead, so that nobody waits for the end of a holiday.

Due leads are found by an index, and claimed by an UPDATE that states what was seen: of two workers, one gets the lead.
Claim, event and email are one transaction, so that a worker that is killed leaves either all of them or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import User
from alma_leads.common.actor import SYSTEM
from alma_leads.common.extensions import db
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.assignments.absences import IS_AWAY
from alma_leads.leads.core import emails
from alma_leads.leads.core.attorneys import IS_ACTIVE_ATTORNEY
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.models import IS_PENDING, Lead
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.outbox.message import NewMessage
from alma_leads.outbox.queue import enqueue

BATCH = 100

# Leads that were measured by older settings are left out: they are about to get other targets.
_IS_DUE = and_(IS_PENDING, Lead.remind_at <= bindparam("now"), Lead.clock_version == bindparam("version"))
_DUE = (
    select(
        Lead.id,
        Lead.first_name,
        Lead.last_name,
        Lead.email,
        Lead.created_at,
        Lead.due_at,
        Lead.reminders,
        User.email.label("attorney_email"),
        User.name.label("attorney_name"),
        IS_AWAY.label("is_away"),
    )
    .outerjoin(User, and_(User.id == Lead.attorney_id, IS_ACTIVE_ATTORNEY))
    .where(_IS_DUE)
    .order_by(Lead.remind_at, Lead.id)
    .limit(BATCH)
)
_CLAIM = (
    update(Lead)
    .where(Lead.id == bindparam("lead_id"), Lead.reminders == bindparam("seen_reminders"), _IS_DUE)
    .values(reminders=Lead.reminders + 1, remind_at=bindparam("next"))
)


def send_reminders() -> int:
    """Enqueue the reminders that are due, and return how many there were."""
    sent = 0
    while True:
        now = utc_now()
        clock = first_contact.read(db.session.connection())
        claimed = sum(_remind(lead, clock, now) for lead in _find_due(clock, now))
        sent += claimed
        if not claimed:  # none is left, or another worker has them
            return sent


def _find_due(clock: FirstContact, now: datetime) -> Sequence[Row[*tuple[Any, ...]]]:
    today = clock.working.day_of(now)
    return db.session.execute(_DUE, {"now": now, "version": clock.version, "today": today}).all()


def _remind(lead: Row[*tuple[Any, ...]], clock: FirstContact, now: datetime) -> bool:
    """Claim one reminder and enqueue its email; return whether it was ours to claim."""
    with transaction() as session:
        if not _claim(session, lead, clock, now):
            return False
        first = lead.reminders == 0
        data = {
            "to": lead.attorney_name if first and not lead.is_away else None,
            "due_at": to_stamp(lead.due_at),
        }
        if first and lead.is_away:
            data["away"] = lead.attorney_name
        kind = EventKind.REMINDED if first else EventKind.ESCALATED
        record(session.connection(), lead.id, kind=kind, actor=SYSTEM, at=to_stamp(now), data=data)
        enqueue(session.connection(), _message(lead, clock, first=first))
    return True


def _claim(session: Session, lead: Row[*tuple[Any, ...]], clock: FirstContact, now: datetime) -> bool:
    targets = clock.moments(lead.created_at)
    claim = {
        "lead_id": lead.id,
        "seen_reminders": lead.reminders,
        "now": now,
        "version": clock.version,
        "next": targets.twice_at if targets and lead.reminders == 0 else None,
    }
    return session.connection().execute(_CLAIM, claim).rowcount == 1


def _message(lead: Row[*tuple[Any, ...]], clock: FirstContact, *, first: bool) -> NewMessage:
    return emails.reminder(
        lead_id=lead.id,
        name=f"{lead.first_name} {lead.last_name}",
        email=lead.email,
        received=clock.said(to_stamp(lead.created_at)),
        due=clock.said(to_stamp(lead.due_at)),
        recipient=lead.attorney_email if first and not lead.is_away else None,
        away=(lead.attorney_name or "") if first and lead.is_away else "",
        escalated=not first,
    )

"""Use cases of reminders: an attorney is told once of a lead past its target, the helpdesk once of one past it twice.

While an attorney is away the helpdesk is told in their place, so that nobody waits for the end of a holiday.

What is due is found by an index, and taken with an UPDATE that says what it saw: of two workers one gets it. The
e-mail, the event and the taking are one transaction, so that a worker that is killed leaves either all or nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.actor import SYSTEM
from alma_leads.database.base import from_stamp, to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db
from alma_leads.leads.assignments.absences import AWAY
from alma_leads.leads.core import emails
from alma_leads.leads.core.attorneys import SERVES
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.outbox.message import NewMessage
from alma_leads.outbox.queue import enqueue

BATCH = 100

# Only leads that are measured by the present settings: the others are about to get other moments.
_DUE = Sql(f"""
    SELECT l.id, l.first_name, l.last_name, l.email, l.created_at, l.due_at, l.reminders, u.email, u.name, {AWAY}
    FROM leads l LEFT JOIN users u ON u.id = l.attorney_id AND {SERVES}
    WHERE l.status = 'PENDING' AND l.remind_at <= :now AND l.clock_version = :version
    ORDER BY l.remind_at, l.id LIMIT :limit
""")
_TAKE = Sql("""
    UPDATE leads SET reminders = reminders + 1, remind_at = :next
    WHERE id = :id AND status = 'PENDING' AND reminders = :reminders AND remind_at <= :now AND clock_version = :version
""")


class Due(NamedTuple):
    """A lead of which somebody is to be reminded. Attorney: the active one, if it has one; who may be away."""

    id: int
    first_name: str
    last_name: str
    email: str
    created_at: str
    due_at: str
    reminders: int
    attorney_email: str | None
    attorney_name: str | None
    is_away: bool


def send_reminders() -> int:
    """Enqueue the reminders that are due, and return how many there were."""
    sent = 0
    while due := _find(now := to_stamp(utc_now())):
        taken = sum(_remind(lead, clock, now) for lead, clock in due)
        sent += taken
        if not taken:  # another worker has them
            break
    return sent


def _find(now: str) -> list[tuple[Due, FirstContact]]:
    with reading(db.engine) as connection:
        clock = first_contact.read(connection)
        today = clock.working.day_of(from_stamp(now)).isoformat()
        rows = _DUE.rows(connection, now=now, version=clock.version, today=today, limit=BATCH)
    return [(Due(*row), clock) for row in rows]


def _remind(lead: Due, clock: FirstContact, now: str) -> bool:
    """Take one reminder and enqueue its email; say whether it was ours to take."""
    with transaction_on(db.engine) as connection:
        if not _take(connection, lead, clock, now):
            return False
        first = lead.reminders == 0
        data = {"to": lead.attorney_name if first and not lead.is_away else None, "due_at": lead.due_at}
        if first and lead.is_away:
            data["away"] = lead.attorney_name
        kind = EventKind.REMINDED if first else EventKind.ESCALATED
        record(connection, lead.id, kind=kind, actor=SYSTEM, at=now, data=data)
        enqueue(connection, _message(lead, clock, first=first))
    return True


def _take(connection: Connection, lead: Due, clock: FirstContact, now: str) -> bool:
    moments = clock.moments(from_stamp(lead.created_at))
    following = to_stamp(moments.twice_at) if moments and lead.reminders == 0 else None
    taken = _TAKE.run(connection, id=lead.id, reminders=lead.reminders, now=now, version=clock.version, next=following)
    return taken == 1


def _message(lead: Due, clock: FirstContact, *, first: bool) -> NewMessage:
    return emails.reminder(
        lead_id=lead.id,
        name=f"{lead.first_name} {lead.last_name}",
        email=lead.email,
        received=clock.said(lead.created_at),
        due=clock.said(lead.due_at),
        recipient=lead.attorney_email if first and not lead.is_away else None,
        away=(lead.attorney_name or "") if first and lead.is_away else "",
        escalated=not first,
    )

"""Use cases of the daily digest: who subscribes, and sending it once a working day, when work begins."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import User
from alma_leads.common.extensions import db
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.assignments.absences import IS_AWAY
from alma_leads.leads.core import emails
from alma_leads.leads.core.attorneys import IS_ACTIVE_ATTORNEY
from alma_leads.leads.core.models import IS_PENDING, Lead
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.leads.listing.queries import COUNT_CAP
from alma_leads.leads.reminders.models import LeadDigest
from alma_leads.outbox.queue import enqueue

_DUE = (
    select(User.id, User.email)
    .join(LeadDigest, LeadDigest.user_id == User.id)
    .where(LeadDigest.done_on < bindparam("today"), IS_ACTIVE_ATTORNEY, ~IS_AWAY)
    .order_by(User.id)
)
# Of two workers one changes the row, and only that one sends the digest.
_CLAIM = (
    update(LeadDigest)
    .where(LeadDigest.user_id == bindparam("id"), LeadDigest.done_on < bindparam("today"))
    .values(done_on=bindparam("today"))
)
_IS_WAITING = (IS_PENDING, Lead.attorney_id == bindparam("user_id"))
_WAITING = (
    select(Lead.id, Lead.first_name, Lead.last_name, Lead.created_at, Lead.due_at)
    .where(*_IS_WAITING)
    .order_by(Lead.created_at, Lead.id)
    .limit(emails.SHOWN)
)
_COUNT = select(func.count()).select_from(select(Lead.id).where(*_IS_WAITING).limit(COUNT_CAP).subquery())


def wants_digest(user_id: int) -> bool:
    """Return whether a user gets the digest."""
    return db.session.get(LeadDigest, user_id) is not None


def set_digest(user_id: int, *, wanted: bool) -> None:
    """Subscribe a user to the digest, from the next beginning of a working day on, or unsubscribe them."""
    with transaction() as session:
        digest = session.get(LeadDigest, user_id)
        if not wanted and digest:
            session.delete(digest)
        elif wanted and not digest:
            session.add(LeadDigest(user_id=user_id, done_on=_last_begun_day(session)))


def _last_begun_day(session: Session) -> date:
    """Return the firm's present day if its working hours have begun, else the day before."""
    working, now = first_contact.read(session.connection()).working, utc_now()
    day = working.day_of(now)
    return day if now >= working.opening(day) else day - timedelta(days=1)


def send_digests() -> int:
    """Enqueue the digests of this working day that nobody has enqueued yet, and return how many there were.

    A day on which no lead waits counts as done too: the first lead of the afternoon causes no digest.
    """
    now = utc_now()
    clock = first_contact.read(db.session.connection())
    day = clock.working.day_of(now)
    if not clock.working.is_working_day(day) or not clock.working.opening(day) <= now < clock.working.closing(day):
        return 0
    users = db.session.execute(_DUE, {"today": day}).all()
    return sum(_send(user.id, user.email, clock, now) for user in users)


def _send(user_id: int, email: str, clock: FirstContact, now: datetime) -> bool:
    """Claim today's digest of a user and enqueue it; return whether there was one to enqueue."""
    with transaction() as session:
        today = clock.working.day_of(now)
        if not session.connection().execute(_CLAIM, {"id": user_id, "today": today}).rowcount:
            return False
        waiting = session.execute(_WAITING, {"user_id": user_id}).all()
        if not waiting:
            return False
        count = session.execute(_COUNT, {"user_id": user_id}).scalar_one()
        leads = tuple(
            (
                lead.id,
                f"{lead.first_name} {lead.last_name}",
                clock.said(to_stamp(lead.created_at)),
                lead.due_at is not None and lead.due_at <= now,
            )
            for lead in waiting
        )
        message = emails.digest(
            user_id=user_id,
            recipient=email,
            leads=leads,
            count=str(count) if count < COUNT_CAP else f"{COUNT_CAP - 1}+",
        )
        enqueue(session.connection(), message)
    return True

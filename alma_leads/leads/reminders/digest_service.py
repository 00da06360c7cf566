"""Use cases of the daily digest: who wants it, and sending it once a working day, when work begins."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db
from alma_leads.leads.assignments.absences import AWAY
from alma_leads.leads.core import emails
from alma_leads.leads.core.attorneys import SERVES
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.leads.listing.queries import COUNT_CAP
from alma_leads.outbox.queue import enqueue

_WANTS = Sql("SELECT 1 FROM lead_digests WHERE user_id = :user_id")
_WANT = Sql("""
    INSERT INTO lead_digests (user_id, done_on) VALUES (:user_id, :done_on) ON CONFLICT (user_id) DO NOTHING
""")
_STOP = Sql("DELETE FROM lead_digests WHERE user_id = :user_id")
_DUE = Sql(f"""
    SELECT d.user_id, u.email FROM lead_digests d JOIN users u ON u.id = d.user_id
    WHERE d.done_on < :today AND {SERVES} AND NOT {AWAY}
    ORDER BY d.user_id
""")
# Of two workers one changes the row, and only that one writes.
_TAKE = Sql("UPDATE lead_digests SET done_on = :day WHERE user_id = :user_id AND done_on < :day")
_WAITING = Sql(f"""
    SELECT id, first_name, last_name, created_at, due_at FROM leads
    WHERE status = 'PENDING' AND attorney_id = :user_id ORDER BY created_at, id LIMIT {emails.SHOWN}
""")
_COUNT = Sql(f"""
    SELECT count(*) FROM (
        SELECT 1 FROM leads WHERE status = 'PENDING' AND attorney_id = :user_id LIMIT {COUNT_CAP}) a
""")


def wants_digest(user_id: int) -> bool:
    """Say whether someone gets the digest."""
    with reading(db.engine) as connection:
        return _WANTS.row(connection, user_id=user_id) is not None


def set_digest(user_id: int, *, wanted: bool) -> None:
    """Have someone get the digest from the next beginning of a working day on, or no longer."""
    with transaction_on(db.engine) as connection:
        if not wanted:
            _STOP.run(connection, user_id=user_id)
            return
        working, now = first_contact.read(connection).working, utc_now()
        day = working.day_of(now)
        begun = now >= working.opening(day)
        done_on = day if begun else day - timedelta(days=1)
        _WANT.run(connection, user_id=user_id, done_on=done_on.isoformat())


def send_digests() -> int:
    """Enqueue the digests of this working day that nobody has enqueued yet, and return how many there were.

    A day on which nothing waits is over all the same: the first lead of the afternoon makes no digest.
    """
    now = utc_now()
    with reading(db.engine) as connection:
        clock = first_contact.read(connection)
        day = clock.working.day_of(now)
        if not clock.working.is_working_day(day) or not clock.working.opening(day) <= now < clock.working.closing(day):
            return 0
        people = _DUE.rows(connection, today=day.isoformat())
    return sum(_send(user_id, email, clock, now) for user_id, email in people)


def _send(user_id: int, email: str, clock: FirstContact, now: datetime) -> bool:
    with transaction_on(db.engine) as connection:
        if not _TAKE.run(connection, user_id=user_id, day=clock.working.day_of(now).isoformat()):
            return False
        return _enqueue(connection, user_id, email, clock, to_stamp(now))


def _enqueue(connection: Connection, user_id: int, email: str, clock: FirstContact, now: str) -> bool:
    waiting = _WAITING.rows(connection, user_id=user_id)
    if not waiting:
        return False
    leads = tuple(
        (lead_id, f"{first} {last}", clock.said(received), due is not None and due <= now)
        for lead_id, first, last, received, due in waiting
    )
    count = _COUNT.rows(connection, user_id=user_id)[0][0]
    said = str(count) if count < COUNT_CAP else f"{COUNT_CAP - 1}+"
    message = emails.digest(user_id=user_id, recipient=email, leads=leads, count=said)
    enqueue(connection, message)
    return True

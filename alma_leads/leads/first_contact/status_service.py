"""The one change of a lead's status: from pending to reached out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, update

from alma_leads.actor import Actor
from alma_leads.database.base import from_stamp, to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db
from alma_leads.leads.core.errors import LeadChanged, LeadNotFound, TransitionRefused
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.models import Lead
from alma_leads.leads.core.state import LeadStatus, sources_of
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.elapsed import Elapsed

_SOURCES = ", ".join(f"'{source}'" for source in sources_of(LeadStatus.REACHED_OUT))
MARK = f"""
    UPDATE leads SET status = 'REACHED_OUT', reached_out_at = :now, reached_out_by = :name, updated_at = :now,
           remind_at = NULL, reminders = 2
    WHERE status IN ({_SOURCES})"""
# What the event of a mark says.
MARKED = {"status": {"old": LeadStatus.PENDING.value, "new": LeadStatus.REACHED_OUT.value}}
# The rule of transitions stands in the WHERE: of two people who press together, one changes a row.
_MARK_ONE = Sql(f"{MARK} AND id = :id RETURNING id, created_at")
_MARK_AS_SEEN = Sql(f"{MARK} AND id = :id AND updated_at = :seen RETURNING id, created_at")
_MARK_ALL = Sql(f"{MARK} AND prospect_id = :prospect_id RETURNING id, created_at")
# Marks of one prospect's leads stand in line, so that two of them cannot wait for each other.
_HOLD_PROSPECT = Sql("UPDATE prospects SET lead_count = lead_count WHERE id = :prospect_id")
_STORE_CONTACT_TIME = (
    update(Lead)
    .where(Lead.id == bindparam("lead_id"))
    .values(contact_minutes=bindparam("minutes"), clock_version=bindparam("version"))
)
_CURRENT = Sql("SELECT status, prospect_id, updated_at FROM leads WHERE id = :id")


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
    with transaction_on(db.engine) as connection:
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
        store_contact_times(connection, [(row[0], from_stamp(row[1]), from_stamp(now)) for row in rows])
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


def store_contact_times(connection: Connection, contacts: Collection[tuple[int, datetime, datetime]]) -> None:
    """Store the working minutes to first contact of leads: their ids, when each came in, and when it was contacted."""
    if not contacts:
        return
    settings = first_contact.read(connection)
    elapsed = Elapsed(settings.working, since=min(settings.working.day_of(received) for _, received, _ in contacts))
    rows = [
        {"lead_id": lead_id, "minutes": elapsed.minutes(received, contacted), "version": settings.version}
        for lead_id, received, contacted in sorted(contacts)
    ]
    connection.execute(_STORE_CONTACT_TIME, rows)


def _current(connection: Connection, lead_id: int) -> tuple[str, int, str]:
    row = _CURRENT.row(connection, id=lead_id)
    if row is None:
        raise LeadNotFound(lead_id)
    status, prospect_id, updated_at = row
    return status, prospect_id, updated_at

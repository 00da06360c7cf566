"""The one change of a lead's status: from pending to reached out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update
from sqlalchemy.orm import Session

from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db
from alma_leads.database.base import from_stamp, to_stamp, utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.core.errors import LeadChanged, LeadNotFound, TransitionRefused
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.models import NO_MORE_REMINDERS, Lead, Prospect
from alma_leads.leads.core.state import LeadStatus, sources_of
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.elapsed import Elapsed

# The rule of transitions is part of the WHERE: of two people who mark a lead together, one changes a row.
MARK_REACHED_OUT = (
    update(Lead)
    .where(Lead.status.in_(sources_of(LeadStatus.REACHED_OUT)))
    .values(
        status=LeadStatus.REACHED_OUT,
        reached_out_at=bindparam("now"),
        reached_out_by=bindparam("name"),
        updated_at=bindparam("now"),
        **NO_MORE_REMINDERS,
    )
    .returning(Lead.id, Lead.created_at)
)
# The data of the event of a mark.
MARKED = {"status": {"old": LeadStatus.PENDING.value, "new": LeadStatus.REACHED_OUT.value}}
_MARK_ONE = MARK_REACHED_OUT.where(Lead.id == bindparam("lead_id"))
_MARK_AS_SEEN = _MARK_ONE.where(Lead.updated_at == bindparam("seen"))
_MARK_ALL = MARK_REACHED_OUT.where(Lead.prospect_id == bindparam("prospect"))
# Marks of one prospect's leads wait for each other here, so that there is no deadlock.
_LOCK_PROSPECT = select(Prospect.id).where(Prospect.id == bindparam("prospect")).with_for_update()
_STORE_CONTACT_TIME = (
    update(Lead)
    .where(Lead.id == bindparam("lead_id"))
    .values(contact_minutes=bindparam("minutes"), clock_version=bindparam("version"))
)
_CURRENT = select(Lead.status, Lead.prospect_id, Lead.updated_at).where(Lead.id == bindparam("lead_id"))


def mark_reached_out(
    lead_id: int, *, actor: Actor, with_siblings: bool = False, expected_version: str | None = None
) -> list[int]:
    """Mark a lead reached out, and return the ids of the leads that changed: none if it was marked already.

    Marking twice, also by two people at once, makes one change and one event.

    Args:
        lead_id: the lead.
        actor: who marks it.
        with_siblings: mark the prospect's other pending leads too, each with its event.
        expected_version: the `updated_at` of the version that the caller saw; another version is not changed.

    Raises:
        LeadNotFound: there is none.
        LeadChanged: it is not the version that the caller saw.
    """
    seen = from_stamp(expected_version) if expected_version else None
    with transaction() as session:
        now = utc_now()
        rows = _mark(session, lead_id, seen, {"now": now, "name": actor.name}, with_siblings=with_siblings)
        if not rows:
            current = _get_current(session, lead_id)
            if seen is not None and current.updated_at != seen:
                raise LeadChanged(lead_id)
        store_contact_times(session.connection(), [(row.id, row.created_at, now) for row in rows])
        marked = sorted(row.id for row in rows)
        for each in marked:
            record(session.connection(), each, kind=EventKind.REACHED_OUT, actor=actor, at=to_stamp(now), data=MARKED)
    return marked


def change_status(lead_id: int, wanted: LeadStatus, *, actor: Actor, expected_version: str | None = None) -> None:
    """Change the status of a lead. The status that it has already is no change and makes no event.

    Raises:
        LeadNotFound: there is none.
        LeadChanged: it is not the version that the caller saw.
        TransitionRefused: a lead never goes back.
    """
    if sources_of(wanted):
        mark_reached_out(lead_id, actor=actor, expected_version=expected_version)
        return
    status = _get_current(db.session(), lead_id).status
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


def _mark(
    session: Session, lead_id: int, seen: datetime | None, change: dict[str, Any], *, with_siblings: bool
) -> Sequence[Row[int, datetime]]:
    connection = session.connection()
    if with_siblings:
        prospect = {"prospect": _get_current(session, lead_id).prospect_id}
        connection.execute(_LOCK_PROSPECT, prospect)
        return connection.execute(_MARK_ALL, {**change, **prospect}).all()
    if seen is None:
        return connection.execute(_MARK_ONE, {**change, "lead_id": lead_id}).all()
    return connection.execute(_MARK_AS_SEEN, {**change, "lead_id": lead_id, "seen": seen}).all()


def _get_current(session: Session, lead_id: int) -> Row[LeadStatus, int, datetime]:
    row = session.connection().execute(_CURRENT, {"lead_id": lead_id}).one_or_none()
    if row is None:
        raise LeadNotFound(lead_id)
    return row

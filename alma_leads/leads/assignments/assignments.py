"""Assign prospects to attorneys: their rows, their leads, an event for each lead, and one email to the attorney.

Runs in the transaction of a use case; nothing is committed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import TypeAlias, TypeVar

from sqlalchemy import BindParameter, Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import User
from alma_leads.common.actor import SYSTEM, Actor
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.upsert import insert
from alma_leads.leads.core import emails
from alma_leads.leads.core.events import EventKind, record_for_prospects
from alma_leads.leads.core.models import NO_MORE_REMINDERS, Lead, Prospect
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.first_contact import first_contact
from alma_leads.outbox.queue import enqueue

_T = TypeVar("_T")
# A prospect whose row is locked until the transaction ends, and its attorney until then: `id, email, attorney_id`.
LockedProspect: TypeAlias = Row[int, str, int | None]
_LeadRow: TypeAlias = Row[int, str, str, str, datetime]
BATCH = 1000  # SQLite takes 32,766 parameters, PostgreSQL twice as many

_IDS: BindParameter[int] = bindparam("ids", expanding=True)
# With RETURNING, SQLAlchemy inserts many rows with one statement.
_CREATE_PROSPECTS = insert(Prospect).on_conflict_do_nothing().returning(Prospect.id)
_FIND_PROSPECTS = select(Prospect.id).where(Prospect.email.in_(bindparam("emails", expanding=True)))
LOCK = select(Prospect.id, Prospect.email, Prospect.attorney_id).with_for_update()
_LOCK_PROSPECTS = LOCK.where(Prospect.id.in_(_IDS)).order_by(Prospect.id)
_ASSIGN_PROSPECTS = (
    update(Prospect)
    .where(Prospect.id.in_(_IDS))
    .values(attorney_id=bindparam("attorney"), assigned_at=bindparam("assigned"))
)
_ASSIGN_LEADS = (
    update(Lead)
    .where(Lead.prospect_id.in_(_IDS))
    .values(attorney_id=bindparam("attorney"), updated_at=bindparam("now"))
)
_STOP_REMINDERS = update(Lead).where(Lead.prospect_id.in_(_IDS), Lead.reminders < 2).values(NO_MORE_REMINDERS)
_LEADS = select(Lead.id, Lead.first_name, Lead.last_name, Lead.email, Lead.created_at).where(Lead.prospect_id.in_(_IDS))
_NEWEST_LEAD = _LEADS.order_by(Lead.id.desc()).limit(1)
_PENDING_LEADS = (
    _LEADS.where(Lead.status == LeadStatus.PENDING).order_by(Lead.created_at, Lead.id).limit(emails.SHOWN + 1)
)
_COUNT_WITH_LEADS = select(func.count()).where(Prospect.id.in_(_IDS), Prospect.lead_count > 0)


def lock_prospects(session: Session, addresses: Iterable[str]) -> dict[str, LockedProspect]:
    """Return the prospects with these normalised addresses, locked. Those that are missing are created."""
    ids: list[int] = []
    for batch in _batches(sorted(set(addresses))):
        session.connection().execute(_CREATE_PROSPECTS, [{"email": email, "lead_count": 0} for email in batch])
        ids += session.scalars(_FIND_PROSPECTS, {"emails": batch})
    locked: dict[str, LockedProspect] = {}
    for ids_of_batch in _batches(sorted(ids)):  # in order, so that two who lock several never wait for each other
        locked |= {each.email: each for each in session.execute(_LOCK_PROSPECTS, {"ids": ids_of_batch})}
    return locked


def assign_prospects(
    session: Session, prospects: Iterable[LockedProspect], *, attorney: User | None, actor: Actor
) -> int:
    """Assign locked prospects of somebody else to an attorney, None for the helpdesk; return how many leads moved.

    Each lead gets an event. The attorney is notified by `notify_attorney`, not here.
    """
    now, leads = utc_now(), 0
    by_owner = sorted(prospects, key=lambda prospect: (prospect.attorney_id or 0, prospect.id))
    for owner_id, group in groupby(by_owner, key=lambda prospect: prospect.attorney_id):
        owner = session.get_one(User, owner_id) if owner_id else None
        for ids in _batches([prospect.id for prospect in group]):
            leads += _assign_batch(session, ids, owner, attorney, actor, now)
    return leads


def _assign_batch(
    session: Session, ids: Sequence[int], owner: User | None, attorney: User | None, actor: Actor, now: datetime
) -> int:
    connection = session.connection()
    assigned = {"ids": ids, "attorney": attorney and attorney.id, "assigned": now if attorney else None}
    connection.execute(_ASSIGN_PROSPECTS, assigned)
    leads = connection.execute(_ASSIGN_LEADS, {"ids": ids, "attorney": attorney and attorney.id, "now": now}).rowcount
    if actor != SYSTEM:  # whoever assigns a lead has seen it
        connection.execute(_STOP_REMINDERS, {"ids": ids})
    record_for_prospects(
        connection,
        ids,
        kind=EventKind.ASSIGNED if attorney else EventKind.UNASSIGNED,
        actor=actor,
        at=to_stamp(now),
        data={"attorney": {"old": owner and owner.email, "new": attorney and attorney.email}},
    )
    return leads


def notify_attorney(
    session: Session, prospects: Sequence[LockedProspect], *, attorney: User | None, actor: Actor
) -> bool:
    """Enqueue one email to the attorney about prospects that are new to them; return whether there was one to send.

    There is none for the helpdesk, for users who assign prospects to themselves, or before a prospect's first lead.
    """
    if attorney is None or (actor.kind == "user" and actor.id == attorney.id):
        return False
    newest: list[_LeadRow] = []
    pending: list[_LeadRow] = []
    with_leads = 0
    for ids in _batches([prospect.id for prospect in prospects]):
        newest += session.execute(_NEWEST_LEAD, {"ids": ids}).all()
        pending += session.execute(_PENDING_LEADS, {"ids": ids}).all()
        with_leads += session.execute(_COUNT_WITH_LEADS, {"ids": ids}).scalar_one()
    if not newest:
        return False
    lead = max(newest, key=lambda row: row.id)
    pending.sort(key=lambda row: (row.created_at, row.id))
    clock = first_contact.read(session.connection())
    enqueue(
        session.connection(),
        emails.assigned(
            lead_id=lead.id,
            name=f"{lead.first_name} {lead.last_name}",
            email=lead.email,
            several=with_leads > 1,
            leads=tuple(
                (row.id, f"{row.first_name} {row.last_name}", clock.said(to_stamp(row.created_at)))
                for row in pending[: emails.SHOWN]
            ),
            more=len(pending) > emails.SHOWN,
            by=actor.name,
            attorney_id=attorney.id,
            recipient=attorney.email,
        ),
    )
    return True


def count_of_assignments(count: int) -> str:
    """Return "1 assignment" or "20 assignments", for the audit log."""
    return "1 assignment" if count == 1 else f"{count} assignments"


def _batches(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (values[start : start + BATCH] for start in range(0, len(values), BATCH))

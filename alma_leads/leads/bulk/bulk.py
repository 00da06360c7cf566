"""What is done to many leads at once: which, how many, and of how many people. Nothing is changed here.

Everything is done to prospects: a person is contacted about all of their leads, and an attorney has prospects. So an
action touches all leads of the prospects who have a lead that was chosen, and states beforehand how many.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.orm import aliased

from alma_leads.common.extensions import db
from alma_leads.leads.bulk.models import BulkAction, Kind
from alma_leads.leads.core.models import IS_PENDING, Lead
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.listing.filters import DEFAULT_SORT, LeadFilter
from alma_leads.leads.listing.query import leads_query

_Touched = aliased(Lead)
_READY = select(BulkAction).where(BulkAction.ready)


class Choice(NamedTuple):
    """What is to be done to which leads: those with ids up to `up_to`. `attorney_id` None is the helpdesk.

    `chosen` selects the leads that were chosen.
    """

    kind: Kind
    attorney_id: int | None
    up_to: int
    chosen: Select[Any]


class Plan(NamedTuple):
    """How many leads an action would change now, of how many people; and a hash of exactly these leads as they are."""

    leads: int
    people: int
    seen: str


def choose_list(lead_filter: LeadFilter, *, kind: Kind, attorney_id: int | None, up_to: int) -> Choice:
    """Return the choice of all leads of a list."""
    if kind is Kind.REACHED_OUT and lead_filter.status is None:
        lead_filter = replace(lead_filter, status=LeadStatus.PENDING)
    whole = replace(lead_filter, sort=DEFAULT_SORT, cursor=None)
    return Choice(kind, attorney_id, up_to, leads_query(whole).order_by(None))


def choose_leads(lead_ids: Sequence[int], *, kind: Kind, attorney_id: int | None, up_to: int) -> Choice:
    """Return the choice of the leads with these ids."""
    return Choice(kind, attorney_id, up_to, select(Lead.id).where(Lead.id.in_(lead_ids)))


def plan(connection: Connection, choice: Choice) -> Plan:
    """Return what an action would change now."""
    summary = _touched(choice).with_only_columns(
        func.count(),
        func.count(_Touched.prospect_id.distinct()),
        func.coalesce(func.sum(_Touched.id), 0),
        func.max(_Touched.updated_at),
    )
    leads, people, *rest = connection.execute(summary).one()
    raw = "\0".join(map(str, (choice.kind, choice.attorney_id, leads, people, *rest)))
    return Plan(leads, people, hashlib.sha256(raw.encode()).hexdigest()[:16])


def prospects_of(choice: Choice) -> Select[int, int | None]:
    """Return the statement for the prospects whose leads an action would change, by id, and the attorney of each."""
    return (
        _touched(choice)
        .with_only_columns(_Touched.prospect_id, func.max(_Touched.attorney_id))
        .group_by(_Touched.prospect_id)
        .order_by(_Touched.prospect_id)
    )


def find_action(action_id: int) -> BulkAction | None:
    """Return an action, or None if there is none."""
    return db.session.scalar(_READY.where(BulkAction.id == action_id))


def find_next_action() -> BulkAction | None:
    """Return the first action that is not finished, or None."""
    unfinished = _READY.where(BulkAction.finished_at.is_(None))
    return db.session.scalar(unfinished.order_by(BulkAction.id).limit(1))


def find_last_action(user_id: int) -> BulkAction | None:
    """Return the action that a user requested last, or None."""
    own = _READY.where(BulkAction.actor_kind == "user", BulkAction.actor_id == user_id)
    return db.session.scalar(own.order_by(BulkAction.id.desc()).limit(1))


def _touched(choice: Choice) -> Select[Any]:
    """Return the statement for the leads that an action changes."""
    chosen = choice.chosen.where(Lead.id <= choice.up_to).with_only_columns(Lead.prospect_id)
    if choice.kind is Kind.REACHED_OUT:
        chosen = chosen.where(IS_PENDING)
        changes = _Touched.status == LeadStatus.PENDING
    else:
        changes = _Touched.attorney_id.is_distinct_from(choice.attorney_id)
    return select(_Touched.id).where(_Touched.prospect_id.in_(chosen), _Touched.id <= choice.up_to, changes)

"""Read leads and their events. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import orjson
from sqlalchemy import Connection, Row, String, bindparam, cast, func, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import User
from alma_leads.common.extensions import db
from alma_leads.database.base import as_stamp
from alma_leads.leads.core.models import Lead, LeadEvent, Prospect
from alma_leads.outbox.queries import worst_delivery

# A row of `COLUMNS`. Its times are RFC 3339 text; `lead_count` counts all leads of the prospect.
LeadRow: TypeAlias = Row[*tuple[Any, ...]]


class EventRow(NamedTuple):
    """Something that happened to a lead. `data` holds old and new."""

    id: int
    lead_id: int
    kind: str
    actor_kind: str
    actor_id: int | None
    actor_name: str
    at: str
    data: dict[str, Any]


# The link that the prospect gave, or the address of the uploaded file.
_RESUME_URL = func.coalesce(Lead.resume_url, bindparam("files") + cast(Lead.id, String) + "/resume")
_BASIC = (
    Lead.id,
    Lead.first_name,
    Lead.last_name,
    Lead.email,
    _RESUME_URL.label("resume_url"),
    Lead.status,
    as_stamp(Lead.created_at),
    as_stamp(Lead.updated_at),
    as_stamp(Lead.reached_out_at),
)
# What the desk shows of a lead; the statement joins the prospect and, from outside, the attorney.
COLUMNS = (
    *_BASIC,
    User.email.label("attorney_email"),
    User.name.label("attorney_name"),
    Lead.reached_out_by,
    Prospect.lead_count,
    Lead.prospect_id,
    as_stamp(Lead.amber_at),
    as_stamp(Lead.due_at),
    Lead.conflict,
    Lead.conflict_by,
    as_stamp(Lead.conflict_at),
)
# The desk's rows also hold the worst state among the lead's messages, or NULL.
ROW_COLUMNS = (*COLUMNS, worst_delivery("lead", Lead.id).label("mail_state"))
# A full lead as programs see it, in this order; it needs no prospect.
FULL_COLUMNS = (*_BASIC, User.email.label("assigned_to"))
FULL_LEAD = tuple(str(column.key) for column in FULL_COLUMNS)

_LEADS = select(*COLUMNS).select_from(Lead).join(Prospect).outerjoin(User, User.id == Lead.attorney_id)
_ONE = _LEADS.where(Lead.id == bindparam("id"))
_SEVERAL = _LEADS.with_only_columns(*ROW_COLUMNS).where(Lead.id.in_(bindparam("ids", expanding=True)))
_OF_PROSPECT = _LEADS.where(Lead.prospect_id == bindparam("prospect_id")).order_by(Lead.id.desc()).limit(100)
_ONE_FULL = (
    select(*FULL_COLUMNS)
    .select_from(Lead)
    .outerjoin(User, User.id == Lead.attorney_id)
    .where(Lead.id == bindparam("id"))
)
_EVENTS = (
    select(
        LeadEvent.id,
        LeadEvent.lead_id,
        LeadEvent.kind,
        LeadEvent.actor_kind,
        LeadEvent.actor_id,
        LeadEvent.actor_name,
        as_stamp(LeadEvent.at),
        LeadEvent.data,
    )
    .where(LeadEvent.lead_id == bindparam("lead_id"))
    .order_by(LeadEvent.id.desc())
)


def protected_address(public_url: str) -> str:
    """Return what the address of an uploaded file starts with; the id of the lead and `/resume` follow."""
    return f"{public_url}/internal/leads/"


def find_lead(lead_id: int, *, public_url: str = "") -> LeadRow | None:
    """Return a lead, or None if there is none."""
    return db.session.connection().execute(_ONE, {"id": lead_id, "files": protected_address(public_url)}).one_or_none()


def list_leads_by_id(lead_ids: Sequence[int]) -> list[LeadRow]:
    """Return the leads with these ids, in this order, without those that do not exist."""
    rows = db.session.connection().execute(_SEVERAL, {"ids": lead_ids, "files": protected_address("")})
    found = {row.id: row for row in rows}
    return [found[lead_id] for lead_id in lead_ids if lead_id in found]


def find_full_lead(lead_id: int, *, public_url: str) -> dict[str, Any] | None:
    """Return a lead as programs see it, or None if there is none."""
    row = (
        db.session.connection()
        .execute(_ONE_FULL, {"id": lead_id, "files": protected_address(public_url)})
        .one_or_none()
    )
    return None if row is None else row._asdict()


def list_leads_of_prospect(prospect_id: int) -> Sequence[LeadRow]:
    """Return the leads of a prospect, newest first, at most 100."""
    return (
        db.session.connection()
        .execute(_OF_PROSPECT, {"prospect_id": prospect_id, "files": protected_address("")})
        .all()
    )


def list_events(lead_id: int) -> list[EventRow]:
    """Return what happened to a lead, newest first."""
    return events_of(db.session(), lead_id)


def events_of(session: Session | Connection, lead_id: int) -> list[EventRow]:
    """Return what happened to a lead, newest first, as a transaction sees it."""
    rows = session.execute(_EVENTS, {"lead_id": lead_id})
    return [EventRow._make((*row[:-1], orjson.loads(row.data))) for row in rows]

"""Write the event log. It is only ever added to, always in the transaction of what happened."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import BindParameter, Connection, bindparam, insert, select

from alma_leads.common.actor import Actor
from alma_leads.database.base import from_stamp
from alma_leads.leads.core.models import Lead, LeadEvent


class EventKind(enum.StrEnum):
    """What can happen to a lead."""

    SUBMITTED = "submitted"
    CONFIRMATION_SUPPRESSED = "confirmation_suppressed"
    REACHED_OUT = "reached_out"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    NOTE = "note"
    NOTE_EDITED = "note_edited"
    NOTE_DELETED = "note_deleted"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    SENT_AGAIN = "sent_again"
    CONFLICT_CHECK = "conflict_check"


# `inline`: nobody needs the id of an event, which SQLAlchemy would otherwise ask for.
_RECORD = insert(LeadEvent).inline()
_EVENT = {
    column: bindparam(f"new_{column.key}", type_=column.type)
    for column in (
        LeadEvent.kind,
        LeadEvent.actor_kind,
        LeadEvent.actor_id,
        LeadEvent.actor_name,
        LeadEvent.actor_address,
        LeadEvent.data,
        LeadEvent.at,
    )
}
_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_LEADS = select(Lead.id, *_EVENT.values()).order_by(Lead.id)
_RECORD_FOR_PROSPECTS = insert(LeadEvent).from_select(
    [LeadEvent.lead_id, *_EVENT], _LEADS.where(Lead.prospect_id.in_(_IDS))
)
_RECORD_FOR_LEADS = insert(LeadEvent).from_select([LeadEvent.lead_id, *_EVENT], _LEADS.where(Lead.id.in_(_IDS)))


def record(
    connection: Connection, lead_id: int, *, kind: EventKind, actor: Actor, at: str, data: Mapping[str, Any]
) -> None:
    """Add one event to a lead. `at` is a timestamp, `data` JSON with old and new."""
    connection.execute(_RECORD, {"lead_id": lead_id, **_values(kind, actor, at, data)})


def record_for_prospects(
    connection: Connection,
    prospect_ids: Iterable[int],
    *,
    kind: EventKind,
    actor: Actor,
    at: str,
    data: Mapping[str, Any],
) -> None:
    """Add the same event to every lead of some prospects."""
    event = {f"new_{name}": value for name, value in _values(kind, actor, at, data).items()}
    connection.execute(_RECORD_FOR_PROSPECTS, {"ids": list(prospect_ids), **event})


def record_for_leads(
    connection: Connection, lead_ids: Iterable[int], *, kind: EventKind, actor: Actor, at: str, data: Mapping[str, Any]
) -> None:
    """Add the same event to some leads."""
    event = {f"new_{name}": value for name, value in _values(kind, actor, at, data).items()}
    connection.execute(_RECORD_FOR_LEADS, {"ids": list(lead_ids), **event})


def _values(kind: EventKind, actor: Actor, at: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "actor_address": actor.address,
        "data": orjson.dumps(data).decode(),
        "at": from_stamp(at),
    }

"""Writing the event log. Only ever added to, always in the transaction of what happened."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import Connection

from alma_leads.actor import Actor
from alma_leads.database.raw import Sql, Step, id_list, run_together, sql_in


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


_COLUMNS = "lead_id, kind, actor_kind, actor_id, actor_name, actor_address, data, at"
_ACTOR = ":kind, :actor_kind, :actor_id, :actor_name, :actor_address, :data, :at"
_ONE = Sql(f"INSERT INTO lead_events ({_COLUMNS}) VALUES (:lead_id, {_ACTOR})")
_OF_PROSPECTS = sql_in(
    f"INSERT INTO lead_events ({_COLUMNS}) SELECT id, {_ACTOR} FROM leads WHERE prospect_id IN :ids ORDER BY id"
)
_OF_LEADS = sql_in(f"INSERT INTO lead_events ({_COLUMNS}) SELECT id, {_ACTOR} FROM leads WHERE id IN :ids ORDER BY id")


def record(
    connection: Connection, lead_id: int, *, kind: EventKind, actor: Actor, at: str, data: Mapping[str, Any]
) -> None:
    """Add one event to a lead. `at` is a stamp, `data` JSON with old and new."""
    run_together(connection, recording(lead_id, kind=kind, actor=actor, at=at, data=data))


def recording(lead_id: int, *, kind: EventKind, actor: Actor, at: str, data: Mapping[str, Any]) -> Step:
    """Return the statement of `record`, for callers that run it together with others."""
    return _ONE, {"lead_id": lead_id, **_params(kind, actor, at, data)}


def record_for_prospects(
    connection: Connection,
    prospect_ids: Iterable[int],
    *,
    kind: EventKind,
    actor: Actor,
    at: str,
    data: Mapping[str, Any],
) -> None:
    """Add the same event to every lead of these prospects."""
    _OF_PROSPECTS.run(connection, ids=id_list(connection, prospect_ids), **_params(kind, actor, at, data))


def record_for_leads(
    connection: Connection, lead_ids: Iterable[int], *, kind: EventKind, actor: Actor, at: str, data: Mapping[str, Any]
) -> None:
    """Add the same event to each of these leads."""
    _OF_LEADS.run(connection, ids=id_list(connection, lead_ids), **_params(kind, actor, at, data))


def _params(kind: EventKind, actor: Actor, at: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "actor_address": actor.address,
        "data": orjson.dumps(data).decode(),
        "at": at,
    }

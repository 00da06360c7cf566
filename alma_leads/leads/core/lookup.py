"""What is read of a lead. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from alma_leads.database.raw import Sql, id_list, sql_in


class LeadRow(NamedTuple):
    """A lead as it is shown. Moments are RFC 3339 text; `lead_count` counts all leads of the prospect.

    `amber_at` and `due_at`: when the firm's target comes near and is passed; None without a target. `conflict` is the
    verdict of the conflict check.
    """

    id: int
    first_name: str
    last_name: str
    email: str
    resume_url: str
    status: str
    created_at: str
    updated_at: str
    reached_out_at: str | None
    attorney_email: str | None
    attorney_name: str | None
    reached_out_by: str | None
    lead_count: int
    prospect_id: int
    amber_at: str | None
    due_at: str | None
    conflict: str
    conflict_by: str | None
    conflict_at: str | None


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


COLUMNS = """
    l.id, l.first_name, l.last_name, l.email,
    coalesce(l.resume_url, :files || l.id || '/resume'),
    l.status, l.created_at, l.updated_at, l.reached_out_at,
    u.email, u.name, l.reached_out_by, p.lead_count, l.prospect_id, l.amber_at, l.due_at,
    l.conflict, l.conflict_by, l.conflict_at"""
JOINS = "JOIN prospects p ON p.id = l.prospect_id LEFT JOIN users u ON u.id = l.attorney_id"

# A full lead as programs see it, in this order; no prospect is looked up for it.
FULL_LEAD = (
    "id",
    "first_name",
    "last_name",
    "email",
    "resume_url",
    "status",
    "created_at",
    "updated_at",
    "reached_out_at",
    "assigned_to",
)
FULL_COLUMNS = """
    l.id, l.first_name, l.last_name, l.email, coalesce(l.resume_url, :files || l.id || '/resume'),
    l.status, l.created_at, l.updated_at, l.reached_out_at, u.email"""
FULL_JOINS = "LEFT JOIN users u ON u.id = l.attorney_id"

_ONE_FULL = Sql(f"SELECT {FULL_COLUMNS} FROM leads l {FULL_JOINS} WHERE l.id = :id")
_ONE = Sql(f"SELECT {COLUMNS} FROM leads l {JOINS} WHERE l.id = :id")
_SEVERAL = sql_in(f"SELECT {COLUMNS} FROM leads l {JOINS} WHERE l.id IN :ids")
_OF_PROSPECT = Sql(
    f"SELECT {COLUMNS} FROM leads l {JOINS} WHERE l.prospect_id = :prospect_id ORDER BY l.id DESC LIMIT 100"
)
_EVENTS = Sql("""
    SELECT id, lead_id, kind, actor_kind, actor_id, actor_name, at, data
    FROM lead_events WHERE lead_id = :lead_id ORDER BY id DESC
""")


def protected_address(public_url: str) -> str:
    """Return what the address of an uploaded file starts with; the lead's number and `/resume` follow."""
    return f"{public_url}/internal/leads/"


def get_lead(connection: Connection, lead_id: int, *, public_url: str) -> LeadRow | None:
    """Return one lead, or None when there is none."""
    row = _ONE.row(connection, id=lead_id, files=protected_address(public_url))
    return None if row is None else LeadRow(*row)


def get_leads(connection: Connection, lead_ids: Sequence[int], *, public_url: str) -> list[LeadRow]:
    """Return the leads with these numbers, in this order; those that do not exist are left out."""
    rows = _SEVERAL.rows(connection, ids=id_list(connection, lead_ids), files=protected_address(public_url))
    found = {row[0]: LeadRow(*row) for row in rows}
    return [found[lead_id] for lead_id in lead_ids if lead_id in found]


def get_full_lead(connection: Connection, lead_id: int, *, public_url: str) -> dict[str, Any] | None:
    """Return one lead as programs see it, or None when there is none."""
    row = _ONE_FULL.row(connection, id=lead_id, files=protected_address(public_url))
    return None if row is None else dict(zip(FULL_LEAD, row, strict=True))


def leads_of_prospect(connection: Connection, prospect_id: int, *, public_url: str) -> list[LeadRow]:
    """Return the leads of a prospect, newest first, at most 100."""
    rows = _OF_PROSPECT.rows(connection, prospect_id=prospect_id, files=protected_address(public_url))
    return [LeadRow(*row) for row in rows]


def events_of(connection: Connection, lead_id: int) -> list[EventRow]:
    """Return what happened to a lead, newest first."""
    return [EventRow._make((*row[:7], orjson.loads(row[7]))) for row in _EVENTS.rows(connection, lead_id=lead_id)]

"""What is done to many leads at once: which, how many, and of how many people. Nothing is changed here.

Everything is done to prospects: whoever is reached is reached about all their leads, and an attorney has a prospect.
So an action touches the leads of those prospects who have a lead that was chosen, and it says beforehand how many.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from alma_leads.actor import Actor
from alma_leads.database.raw import Sql, id_list
from alma_leads.leads.core.attorneys import SERVES
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.listing.filters import DEFAULT_SORT, LeadFilter
from alma_leads.leads.listing.selection import Selection, selections

_NOW = f"""
    SELECT b.id, b.kind, b.attorney_id, b.up_to, b.people, b.leads, b.handled, b.changed, b.passed_over,
           b.actor_kind, b.actor_id, b.actor_name, b.actor_address, b.finished_at, u.name, u.id IS NULL OR {SERVES}
    FROM bulk_actions b LEFT JOIN users u ON u.id = b.attorney_id"""
_ONE = Sql(f"{_NOW} WHERE b.id = :id AND b.ready")
_NEXT = Sql(f"{_NOW} WHERE b.finished_at IS NULL AND b.ready ORDER BY b.id LIMIT 1")
_LAST = Sql(f"{_NOW} WHERE b.actor_kind = 'user' AND b.actor_id = :user_id AND b.ready ORDER BY b.id DESC LIMIT 1")
_SUMMARY = "count(*), count(DISTINCT t.prospect_id), coalesce(sum(t.id), 0), max(t.updated_at)"
_PEOPLE = "t.prospect_id, max(t.attorney_id)"
_BY_ID = {
    "sqlite": "l.id IN (SELECT value FROM json_each(:ids))",
    "postgresql": "l.id = ANY(:ids)",
}


class Kind(enum.StrEnum):
    """What can be done."""

    REACHED_OUT = "reached_out"
    ASSIGNED = "assigned"


class Choice(NamedTuple):
    """What is to be done to which leads: those up to the number `up_to`. `attorney_id` None is the helpdesk."""

    kind: Kind
    attorney_id: int | None
    up_to: int
    selection: Selection
    params: dict[str, Any]


class Plan(NamedTuple):
    """How many leads an action would change now, of how many people; and a mark of exactly these as they are now."""

    leads: int
    people: int
    seen: str


class BulkAction(NamedTuple):
    """An action that was asked for, and how far it is: see `models.BulkAction`.

    `can_be_given` says whether its attorney still serves; the helpdesk always does.
    """

    id: int
    kind: str
    attorney_id: int | None
    up_to: int
    people: int
    leads: int
    handled: int
    changed: int
    passed_over: int
    actor_kind: Any
    actor_id: int | None
    actor_name: str
    actor_address: str | None
    finished_at: str | None
    attorney_name: str | None
    can_be_given: bool

    @property
    def actor(self) -> Actor:
        """Who asked for it."""
        return Actor(self.actor_kind, self.actor_id, self.actor_name, self.actor_address)


def choose_list(
    connection: Connection, lead_filter: LeadFilter, *, kind: Kind, attorney_id: int | None, up_to: int
) -> Choice:
    """Return all leads of a list."""
    if kind is Kind.REACHED_OUT and lead_filter.status is None:
        lead_filter = replace(lead_filter, status=LeadStatus.PENDING)
    whole = replace(lead_filter, sort=DEFAULT_SORT, cursor=None)
    chosen = next(selections(connection, whole))
    return Choice(kind, attorney_id, up_to, chosen.selection, chosen.params)


def choose_leads(
    connection: Connection, lead_ids: Sequence[int], *, kind: Kind, attorney_id: int | None, up_to: int
) -> Choice:
    """Return the leads with these numbers."""
    selection = Selection("leads l", (_BY_ID[connection.dialect.name],), "l.id")
    return Choice(kind, attorney_id, up_to, selection, {"ids": id_list(connection, lead_ids)})


def plan(connection: Connection, choice: Choice) -> Plan:
    """Return what an action would change now."""
    row = _statement(choice.kind, choice.selection, _SUMMARY, "").row(connection, **_params(choice))
    assert row is not None
    raw = "\0".join(map(str, (choice.kind, choice.attorney_id, *row)))
    return Plan(row[0], row[1], hashlib.sha256(raw.encode()).hexdigest()[:16])


def people_of(connection: Connection, choice: Choice) -> Iterator[tuple[Any, ...]]:
    """Yield the prospects whose leads it would change, by number, and who has each now."""
    statement = _statement(choice.kind, choice.selection, _PEOPLE, "GROUP BY t.prospect_id ORDER BY t.prospect_id")
    yield from statement.each(connection, **_params(choice))


def get_action(connection: Connection, action_id: int) -> BulkAction | None:
    """Return an action, or None when there is none."""
    return _read(_ONE.row(connection, id=action_id))


def next_action(connection: Connection) -> BulkAction | None:
    """Return the first action that is not finished, or None."""
    return _read(_NEXT.row(connection))


def last_action(connection: Connection, user_id: int) -> BulkAction | None:
    """Return what somebody asked for last, or None."""
    return _read(_LAST.row(connection, user_id=user_id))


def _read(row: tuple[Any, ...] | None) -> BulkAction | None:
    return None if row is None else BulkAction._make(row)


def _params(choice: Choice) -> dict[str, Any]:
    attorney = {"new_attorney_id": choice.attorney_id} if choice.kind is Kind.ASSIGNED else {}
    return choice.params | attorney | {"up_to": choice.up_to}


@lru_cache(maxsize=256)
def _statement(kind: Kind, selection: Selection, columns: str, end: str) -> Sql:
    return Sql(
        sqlite=_text(kind, selection, columns, end, plus="+", differs="IS NOT"),
        postgresql=_text(kind, selection, columns, end, plus="", differs="IS DISTINCT FROM"),
    )


def _text(kind: Kind, selection: Selection, columns: str, end: str, *, plus: str, differs: str) -> str:
    """Return a statement about the leads that are touched. The plus keeps SQLite from using an index for that."""
    inner, outer = [f"{plus}l.id <= :up_to"], [f"{plus}t.id <= :up_to"]
    if kind is Kind.REACHED_OUT:
        inner.append(f"{plus}l.status = 'PENDING'")
        outer.append(f"{plus}t.status = 'PENDING'")
    else:
        outer.append(f"t.attorney_id {differs} :new_attorney_id")
    chosen = replace(selection, where=(*selection.where, *inner)).unordered_text("l.prospect_id")
    return f"SELECT {columns} FROM leads t WHERE t.prospect_id IN ({chosen}) AND {' AND '.join(outer)} {end}"

"""Giving prospects to attorneys: their rows, their leads, an event each, and one e-mail to whoever has them now.

Runs in the transaction of a use case; nothing is committed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.actor import SYSTEM, Actor
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql, id_list, sql_in
from alma_leads.extensions import settings
from alma_leads.leads.core import emails
from alma_leads.leads.core.attorneys import Attorney, find_people
from alma_leads.leads.core.events import EventKind, record_for_prospects
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.first_contact import SETTLED
from alma_leads.outbox.composition import promise

TAKEN_TOGETHER = 1000

# In the order of their addresses, so that two who take several never wait for each other. On SQLite whoever is here is
# the only writer.
_MAKE_PROSPECTS = Sql(
    sqlite="""
    INSERT INTO prospects (email, lead_count) SELECT value, 0 FROM json_each(:emails) WHERE TRUE ON CONFLICT DO NOTHING
    """,
    postgresql="""
    INSERT INTO prospects (email, lead_count)
    SELECT value, 0 FROM unnest(CAST(:emails AS text[])) AS value ORDER BY value COLLATE "C" ON CONFLICT DO NOTHING
    """,
)
_HOLD_PROSPECTS = sql_in(
    "SELECT email, id, attorney_id FROM prospects WHERE email IN :ids",
    postgresql_end=' ORDER BY email COLLATE "C" FOR UPDATE',
)
_SET_PROSPECTS = sql_in("UPDATE prospects SET attorney_id = :attorney_id, assigned_at = :assigned_at WHERE id IN :ids")
_SET_LEADS = sql_in("UPDATE leads SET attorney_id = :attorney_id, updated_at = :now WHERE prospect_id IN :ids")
_SETTLE_LEADS = sql_in(f"UPDATE leads SET {SETTLED} WHERE prospect_id IN :ids AND reminders < 2")
_PENDING = sql_in("""
    SELECT id, first_name, last_name, created_at FROM leads
    WHERE prospect_id IN :ids AND status = 'PENDING' ORDER BY created_at, id LIMIT :limit
""")
_NEWEST = sql_in("""
    SELECT id, first_name, last_name, email FROM leads WHERE prospect_id IN :ids ORDER BY id DESC LIMIT 1
""")
_HAVE_LEADS = sql_in("SELECT count(*) FROM prospects WHERE id IN :ids AND lead_count > 0")


class Held(NamedTuple):
    """A prospect whose row the transaction holds, and who has it."""

    prospect_id: int
    attorney_id: int | None


def take(connection: Connection, emails: Iterable[str]) -> dict[str, Held]:
    """Return the prospects with these normalised addresses, known or not yet, and hold their rows."""
    found: dict[str, Held] = {}
    rest = iter(sorted(emails))
    while batch := list(islice(rest, TAKEN_TOGETHER)):
        wanted = id_list(connection, batch)
        _MAKE_PROSPECTS.run(connection, emails=wanted)
        found |= {row[0]: Held(row[1], row[2]) for row in _HOLD_PROSPECTS.rows(connection, ids=wanted)}
    return found


def give(connection: Connection, held: Iterable[Held], *, attorney: Attorney | None, actor: Actor) -> int:
    """Give prospects that are somebody else's to an attorney, None for the helpdesk; return how many leads came along.

    Each lead gets its event. The attorney is told by `tell`, not here.
    """
    new = attorney.email if attorney else None
    now = to_stamp(utc_now())
    leads = 0
    by_old = sorted(held, key=lambda each: (each.attorney_id or 0, each.prospect_id))
    for old_id, group in groupby(by_old, key=lambda each: each.attorney_id):
        prospect_ids = [each.prospect_id for each in group]
        ids = id_list(connection, prospect_ids)
        _SET_PROSPECTS.run(
            connection, ids=ids, attorney_id=attorney and attorney.id, assigned_at=now if attorney else None
        )
        leads += _SET_LEADS.run(connection, ids=ids, attorney_id=attorney and attorney.id, now=now)
        if actor != SYSTEM:  # whoever assigns a lead has seen it
            _SETTLE_LEADS.run(connection, ids=ids)
        old = find_people(connection, [old_id]) if old_id else []
        change = {"attorney": {"old": old[0].email if old else None, "new": new}}
        kind = EventKind.ASSIGNED if attorney else EventKind.UNASSIGNED
        record_for_prospects(connection, prospect_ids, kind=kind, actor=actor, at=now, data=change)
    return leads


def tell(connection: Connection, prospect_ids: Sequence[int], *, attorney: Attorney | None, actor: Actor) -> bool:
    """Promise the attorney one e-mail about prospects that are new to them, and say whether there was one to promise.

    There is none for the helpdesk, for whoever takes a prospect without help, nor before a prospect's first lead.
    """
    if attorney is None or (actor.kind == "user" and actor.id == attorney.id):
        return False
    ids = id_list(connection, prospect_ids)
    newest = _NEWEST.row(connection, ids=ids)
    if newest is None:
        return False
    lead_id, first_name, last_name, address = newest
    waiting = _PENDING.rows(connection, ids=ids, limit=emails.SHOWN + 1)
    clock = first_contact.read(connection)
    promise(
        connection,
        emails.assigned(
            lead_id=lead_id,
            name=f"{first_name} {last_name}",
            email=address,
            several=_HAVE_LEADS.rows(connection, ids=ids)[0][0] > 1,
            leads=tuple((row[0], f"{row[1]} {row[2]}", clock.said(row[3])) for row in waiting[: emails.SHOWN]),
            more=len(waiting) > emails.SHOWN,
            by=actor.name,
            attorney_id=attorney.id,
            recipient=attorney.email,
            public_url=settings().PUBLIC_URL,
        ),
    )
    return True


def assignments_said(count: int) -> str:
    """Return how many assignments something was about, for the audit log."""
    return "1 assignment" if count == 1 else f"{count} assignments"

"""The use case of a conflict check: a verdict, by name and time. Those before it stay in the event log."""

from __future__ import annotations

from alma_leads.actor import Actor
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import transaction_on
from alma_leads.extensions import db
from alma_leads.leads.core.errors import LeadNotFound, VerdictChanged
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.verdict import Verdict
from alma_leads.leads.first_contact import first_contact

MAX_NOTE = 1000

_HELD = "SELECT conflict, conflict_by, conflict_at FROM leads WHERE id = :id"
# Holds the lead, so that two verdicts stand in line.
_HOLD = Sql(sqlite=_HELD, postgresql=f"{_HELD} FOR UPDATE")
_DECIDE = Sql("UPDATE leads SET conflict = :verdict, conflict_by = :name, conflict_at = :now WHERE id = :id")
_SETTLE = Sql(f"UPDATE leads SET {first_contact.SETTLED} WHERE id = :id AND reminders < 2")


def record_verdict(lead_id: int, verdict: Verdict, *, note: str, seen: str, actor: Actor) -> None:
    """Record what a conflict check came to. The same one again is recorded too: somebody has looked anew.

    Args:
        lead_id: the lead.
        verdict: what was found; `UNCHECKED` takes an earlier one back.
        note: why, or "".
        seen: the stamp of the verdict that the caller saw, "" for none; a newer one is not replaced.
        actor: who says so.

    Raises:
        LeadNotFound: there is none.
        VerdictChanged: somebody recorded another since the caller looked.
    """
    with transaction_on(db.engine) as connection:
        row = _HOLD.row(connection, id=lead_id)
        if row is None:
            raise LeadNotFound(lead_id)
        old, by, at = Verdict(row[0]), row[1], row[2] or ""
        if seen != at:
            if (old, by, note) == (verdict, actor.name, ""):  # a double click
                return
            raise VerdictChanged(old, by)
        if old is verdict is Verdict.UNCHECKED and not note:
            return
        now = to_stamp(utc_now())
        _DECIDE.run(connection, id=lead_id, verdict=verdict.value, name=actor.name, now=now)
        _SETTLE.run(connection, id=lead_id)
        data = {"verdict": {"old": old.value, "new": verdict.value}, **({"text": note} if note else {})}
        record(connection, lead_id, kind=EventKind.CONFLICT_CHECK, actor=actor, at=now, data=data)

"""Use case of a conflict check: record a verdict, its author and the time. Earlier ones stay in the event log."""

from __future__ import annotations

from sqlalchemy import select

from alma_leads.common.actor import Actor
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.core.errors import LeadNotFound, VerdictChanged
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.models import Lead
from alma_leads.leads.core.verdict import Verdict

MAX_NOTE = 1000


def record_verdict(lead_id: int, verdict: Verdict, *, note: str, seen: str, actor: Actor) -> None:
    """Record the verdict of a conflict check, and again if it is the same: somebody has looked anew.

    Args:
        lead_id: the lead.
        verdict: what was found; `UNCHECKED` takes an earlier verdict back.
        note: why, or "".
        seen: the timestamp of the verdict that the caller saw, "" for none; a newer one is not replaced.
        actor: whose verdict it is.

    Raises:
        LeadNotFound: there is none.
        VerdictChanged: somebody recorded another verdict since the caller looked.
    """
    with transaction() as session:
        # Locked, so that two verdicts wait for each other.
        lead = session.scalar(select(Lead).where(Lead.id == lead_id).with_for_update())
        if lead is None:
            raise LeadNotFound(lead_id)
        old = lead.conflict
        if seen != (to_stamp(lead.conflict_at) if lead.conflict_at else ""):
            if (old, lead.conflict_by, note) == (verdict, actor.name, ""):  # a double click
                return
            raise VerdictChanged(old, lead.conflict_by or "")
        if old is verdict is Verdict.UNCHECKED and not note:
            return
        now = utc_now()
        lead.conflict, lead.conflict_by, lead.conflict_at = verdict, actor.name, now
        lead.stop_reminders()
        data = {"verdict": {"old": old.value, "new": verdict.value}, **({"text": note} if note else {})}
        session.flush()
        kind = EventKind.CONFLICT_CHECK
        record(session.connection(), lead_id, kind=kind, actor=actor, at=to_stamp(now), data=data)

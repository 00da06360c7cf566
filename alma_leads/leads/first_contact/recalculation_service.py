"""Recalculate the due times of pending leads after the firm has changed its first-response target or its hours.

Each batch is a transaction, and a lead knows the version of the settings that its times were calculated with. So a
recalculation may be interrupted or run in several workers, and leads may arrive under the old settings meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, literal, select, update

from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.core.models import Lead
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.first_contact import FirstContact, Moments

BATCH = 500  # a write transaction of this many is over before anyone notices the wait
RECALCULATE_FOR_S = 30.0  # a sweep has other things to do; the next one goes on

# In the text of the statement: an index of pending leads serves none that has the status as a parameter.
_IS_STALE = (
    Lead.status == literal(LeadStatus.PENDING, Lead.status.type, literal_execute=True),
    Lead.clock_version < bindparam("version"),
)
_STALE = (
    select(Lead.id, Lead.created_at).where(*_IS_STALE).order_by(Lead.clock_version, Lead.id).limit(bindparam("limit"))
)
_COUNT_STALE = select(func.count()).select_from(Lead).where(*_IS_STALE)
# Leads that somebody is changing at this moment are skipped, and found again later: so nobody waits here for anybody
# who waits for us. Found by id alone: SQLite without statistics would walk all stale leads for each batch.
_LOCK = (
    select(Lead.id, Lead.status, Lead.clock_version, Lead.reminders, Lead.remind_at)
    .where(Lead.id.in_(bindparam("ids", expanding=True)))
    .order_by(Lead.id)
    .with_for_update(skip_locked=True)
)


def count_stale_leads() -> int:
    """Return how many pending leads have due times of earlier settings."""
    connection = db.session.connection()
    return connection.execute(_COUNT_STALE, {"version": first_contact.read(connection).version}).scalar_one()


def recalculate() -> int:
    """Recalculate the due times of pending leads, in batches; return how many were updated."""
    total, until = 0, time.monotonic() + RECALCULATE_FOR_S
    while time.monotonic() < until:
        updated = _recalculate_batch()
        total += updated
        if not updated:
            break
    return total


def _recalculate_batch() -> int:
    connection = db.session.connection()
    settings = first_contact.read(connection)
    stale = connection.execute(_STALE, {"version": settings.version, "limit": BATCH}).all()
    if not stale:
        return 0
    moments = {lead.id: _moments(settings, lead.created_at) for lead in stale}
    now = utc_now()
    with transaction() as session:
        locked = session.execute(_LOCK, {"ids": list(moments)})
        # Checked again, since the times were calculated before.
        leads = [lead for lead in locked if lead.status is LeadStatus.PENDING and lead.clock_version < settings.version]
        if leads:
            changes = [_changes(lead, moments[lead.id], now) | {"clock_version": settings.version} for lead in leads]
            session.execute(update(Lead), changes)
    return len(leads)


def _moments(settings: FirstContact, received_at: datetime) -> Moments | None:
    return settings.moments(received_at)


def _changes(
    lead: Row[int, LeadStatus, int, int, datetime | None], moments: Moments | None, now: datetime
) -> dict[str, Any]:
    """Return the columns of a lead to update.

    What is overdue when the settings change is marked in the list, but nobody is reminded of it: a new target would
    otherwise send an email for each lead that ever waited. A reminder that was due under the old settings still goes
    out.
    """
    times: Mapping[str, datetime | None] = {"amber_at": None, "due_at": None, "remind_at": None}
    reminders, remind_at = lead.reminders, lead.remind_at
    if moments is None:
        return {"id": lead.id, "reminders": reminders, **times}
    if reminders == 2:
        remind_at = None
    elif remind_at is None or remind_at > now:
        if moments.twice_at <= now:
            reminders, remind_at = 2, None
        elif reminders == 1 or moments.due_at <= now:
            reminders, remind_at = 1, moments.twice_at
        else:
            remind_at = moments.due_at
    return {
        "id": lead.id,
        "amber_at": moments.amber_at,
        "due_at": moments.due_at,
        "reminders": reminders,
        "remind_at": remind_at,
    }

"""Use case: measure the times to first contact again, after a change of the firm's hours and for leads of long ago."""

from __future__ import annotations

import time

from sqlalchemy import bindparam, select

from alma_leads.common.extensions import db
from alma_leads.database.session import transaction
from alma_leads.database.transactions import reading
from alma_leads.leads.core.models import Lead
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.first_contact.models import FirstContactClock
from alma_leads.leads.first_contact.status_service import store_contact_times

BATCH = 1000  # a write transaction of this many is over before anyone notices the wait
MEASURE_FOR_S = 20.0  # a sweep has other things to do; the next one goes on

_UNMEASURED = (
    select(Lead.id, Lead.created_at, Lead.reached_out_at)
    .where(
        # Spelled out in the statement, so that SQLite knows that the index of these leads will do.
        Lead.status == bindparam(None, LeadStatus.REACHED_OUT, literal_execute=True),
        Lead.clock_version < select(FirstContactClock.version).scalar_subquery(),
    )
    .order_by(Lead.clock_version, Lead.id)
    .limit(bindparam("limit"))
)
# Leads that somebody is changing are left to the next batch: nobody waits here for anybody who waits for us.
_LOCK_UNMEASURED = _UNMEASURED.with_for_update(of=Lead, skip_locked=True)


def measure_contact_times() -> int:
    """Measure the leads whose time was not measured by the firm's present hours; return how many were.

    Each batch is a transaction. It doesn't matter when this is cut short, or how many workers do it at once.
    """
    done, until = 0, time.monotonic() + MEASURE_FOR_S
    while time.monotonic() < until:
        measured = _measure_batch()
        done += measured
        if not measured:
            break
    return done


def _measure_batch() -> int:
    with reading(db.engine) as connection:  # a worker's session would go on seeing what it saw the last time
        if connection.execute(_UNMEASURED, {"limit": 1}).first() is None:
            return 0
    with transaction() as session:
        connection = session.connection()
        rows = connection.execute(_LOCK_UNMEASURED, {"limit": BATCH}).all()
        contacts = [(row.id, row.created_at, row.reached_out_at) for row in rows if row.reached_out_at is not None]
        store_contact_times(connection, contacts)
    return len(rows)

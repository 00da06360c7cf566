"""Record in the audit log that a key was refused, so that it is seen, but a flood of them does not fill the log."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_, case, func, select

from alma_leads.accounts.api_keys import keys
from alma_leads.accounts.core.models import KeyState
from alma_leads.audit import trail
from alma_leads.audit.models import AuditEvent
from alma_leads.audit.trail import Action
from alma_leads.common.actor import stranger
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction

# The same key from the same address is recorded once in this time, and one key (or all unknown ones together) at most
# this often in an hour, from however many addresses.
EVERY = timedelta(minutes=15)
MOST_IN_AN_HOUR = 20
UNKNOWN = "an unknown key"
WHY = {
    KeyState.REVOKED: "it was revoked",
    KeyState.EXPIRED: "it has expired",
    KeyState.ACTIVE: "not from this address",
}


def record_refused_key(secret: str, *, address: str) -> bool:
    """Record in the audit log that a key was refused, unless that was done a short while ago; return whether it was.

    An administrator reads which key it was if there is or was one: a key that was revoked and is still used, or that is
    active and used from elsewhere, has been left somewhere or stolen. Nothing is stored of any other.
    """
    now = utc_now()
    key = keys.find_by_secret(db.session(), secret) if keys.is_well_formed(secret) else None
    subject = key.label if key else UNKNOWN
    last_hour = (
        select(AuditEvent.actor_address, AuditEvent.at)
        .where(
            AuditEvent.action == Action.KEY_REFUSED,
            AuditEvent.at > now - timedelta(hours=1),
            AuditEvent.subject == subject,
        )
        .order_by(AuditEvent.at.desc())
        .limit(MOST_IN_AN_HOUR)
        .subquery()
    )
    here = and_(last_hour.c.actor_address == address, last_hour.c.at > now - EVERY)
    recorded = db.session.execute(
        select(func.count().label("of_key"), func.count(case((here, 1))).label("here")).select_from(last_hour)
    ).one()
    if recorded.here or recorded.of_key >= MOST_IN_AN_HOUR:
        return False
    about = {"key": key.id, "why": WHY[key.state]} if key else {}
    with transaction() as session:
        trail.record(session, Action.KEY_REFUSED, actor=stranger(address), subject=subject, **about)
    return True

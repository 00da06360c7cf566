"""Use cases of the first-response target: read the settings, and change them in one transaction."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db
from alma_leads.database.session import transaction
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.leads.first_contact.models import FirstContactClock

# Columns whose names differ from those in the audit log, which keeps events of every version.
_NAMES_IN_AUDIT_LOG = {
    "opens_minute": "opens",
    "closes_minute": "closes",
    "target_minutes": "target",
    "amber_minutes": "amber",
}


def get_settings() -> FirstContact:
    """Return the firm's settings."""
    return first_contact.read(db.session.connection())


def change_settings(wanted: FirstContact, *, actor: Actor) -> bool:
    """Change the settings; return whether that changed anything. The worker recalculates the pending leads later."""
    with transaction() as session:
        row = session.scalars(select(FirstContactClock).with_for_update()).one()
        changes = {}
        for column, new in _columns(wanted).items():
            old = getattr(row, column)
            if old != new:
                setattr(row, column, new)
                changes[_NAMES_IN_AUDIT_LOG.get(column, column)] = {"old": old, "new": new}
        if not changes:
            return False
        row.version += 1
        trail.record(session.connection(), Action.FIRST_CONTACT_SET, actor=actor, subject="first contact", **changes)
    return True


def _columns(wanted: FirstContact) -> dict[str, str | int | None]:
    working = wanted.working
    return {
        "time_zone": working.zone.key,
        "weekdays": "".join(map(str, sorted(working.weekdays))),
        "opens_minute": working.opens,
        "closes_minute": working.closes,
        "country": working.country,
        "subdivision": working.subdivision,
        "closed_days": "\n".join(day.isoformat() for day in sorted(working.closed_days)),
        "target_minutes": _minutes(wanted.target),
        "amber_minutes": _minutes(wanted.amber),
    }


def _minutes(amount: timedelta | None) -> int | None:
    return None if amount is None else int(amount.total_seconds()) // 60

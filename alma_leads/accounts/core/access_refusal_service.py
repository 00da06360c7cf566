"""Recording in the audit log who was refused, so that it is seen, but a flood of refusals does not fill the log."""

from __future__ import annotations

import enum
from datetime import timedelta

from sqlalchemy import and_, case, func, select

from alma_leads.audit import trail
from alma_leads.audit.models import AuditEvent
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction

# The same refusal from the same address is recorded once in this time, and for one reason at most this many of one user
# or key in an hour. Strangers are counted together, from however many addresses they come.
EVERY = timedelta(minutes=15)
MOST_IN_AN_HOUR = 20


class Why(enum.StrEnum):
    """Why someone was refused. The value is what the log says."""

    ROLE = "the role does not allow it"
    SCOPE = "the key has no scope for it"
    CSRF = "no CSRF token that works"
    TOO_MANY = "too many requests"


def record_refused_access(actor: Actor, route: str, why: Why) -> None:
    """Record in the audit log that `actor` was refused at `route`, unless that was done a short while ago.

    Args:
        actor: a user, a key, or a stranger.
        route: such as "POST /internal/people/{person_id}"; no path, which may name someone.
        why: the reason.
    """
    now = utc_now()
    last_hour = (
        select(AuditEvent.actor_address, AuditEvent.subject, AuditEvent.at)
        .where(
            AuditEvent.actor_kind == actor.kind,
            AuditEvent.actor_id == actor.id,
            AuditEvent.action == Action.ACCESS_REFUSED,
            AuditEvent.at > now - timedelta(hours=1),
            AuditEvent.data == {"why": why.value},
        )
        .order_by(AuditEvent.at.desc())
        .limit(MOST_IN_AN_HOUR)
        .subquery()
    )
    here = and_(last_hour.c.actor_address == actor.address, last_hour.c.subject == route, last_hour.c.at > now - EVERY)
    noted = db.session.execute(
        select(func.count().label("of_actor"), func.count(case((here, 1))).label("of_this")).select_from(last_hour)
    ).one()
    if noted.of_this or noted.of_actor >= MOST_IN_AN_HOUR:
        return
    with transaction() as session:
        trail.record(session, Action.ACCESS_REFUSED, actor=actor, subject=route, why=why.value)

"""The use case of noting who was refused: so that it is seen, but a flood of refusals does not fill the log."""

from __future__ import annotations

import enum
from datetime import timedelta

import orjson

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db

# The same refusal from the same address is noted once in this time, and for one reason at most this many of one user or
# key in an hour. Strangers are counted together, from however many addresses they come.
EVERY = timedelta(minutes=15)
MOST_IN_AN_HOUR = 20


class Why(enum.StrEnum):
    """Why someone was refused. The value is what the log says."""

    ROLE = "the role does not allow it"
    SCOPE = "the key has no scope for it"
    CSRF = "no CSRF token that works"
    TOO_MANY = "too many requests"


_NOTED = """
    SELECT count(*), count(CASE WHEN actor_address = :address AND subject = :subject AND at > :since THEN 1 END) FROM (
        SELECT actor_address, subject, at FROM audit_events
        WHERE actor_kind = :kind AND actor_id {is_this_one} AND action = :action AND at > :hour_ago AND data = :data
        ORDER BY at DESC LIMIT :most
    ) AS last_hour
"""
_NOTED_OF_ONE = Sql(_NOTED.format(is_this_one="= :id"))
_NOTED_OF_NAMELESS = Sql(_NOTED.format(is_this_one="IS NULL"))


def note_refused_access(actor: Actor, route: str, why: Why) -> None:
    """Write into the audit log that `actor` was refused at `route`, unless that was done a short while ago.

    Args:
        actor: a user, a key, or a stranger.
        route: such as "POST /internal/people/{person_id}"; no path, which may name someone.
        why: the reason.
    """
    now = utc_now()
    noted_of = _NOTED_OF_NAMELESS if actor.id is None else _NOTED_OF_ONE
    with reading(db.engine) as connection:
        noted, noted_here = noted_of.rows(
            connection,
            kind=actor.kind,
            id=actor.id,
            action=Action.ACCESS_REFUSED.value,
            address=actor.address,
            subject=route,
            data=orjson.dumps({"why": why.value}).decode(),
            since=to_stamp(now - EVERY),
            hour_ago=to_stamp(now - timedelta(hours=1)),
            most=MOST_IN_AN_HOUR,
        )[0]
    if noted_here or noted >= MOST_IN_AN_HOUR:
        return
    with transaction_on(db.engine) as connection:
        trail.record(connection, Action.ACCESS_REFUSED, actor=actor, subject=route, why=why.value)

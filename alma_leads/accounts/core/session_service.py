"""Use cases of sessions: used, listed, ended. How one begins is in `sign_in_service`."""

from __future__ import annotations

from datetime import timedelta

from alma_leads.accounts.core import sessions
from alma_leads.accounts.core.sessions import Holder, Lifetime, SessionRow
from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import utc_now
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db, settings


def session_lifetime() -> Lifetime:
    """Return how long sessions last."""
    return Lifetime(timedelta(minutes=settings().SESSION_IDLE_MINUTES), timedelta(hours=settings().SESSION_MAX_HOURS))


def use_session(token: str, *, touch: bool = True) -> Holder | None:
    """Return whose session a token is while it holds, noting now and then that it was used, unless `touch` is False."""
    now, lifetime = utc_now(), session_lifetime()
    with reading(db.engine) as connection:
        found = sessions.holder(connection, token, lifetime=lifetime, now=now)
    if found is None:
        return None
    if touch and found.last_seen_at <= now - lifetime.touch_every:
        with transaction_on(db.engine) as connection:
            sessions.touch(connection, found.session_id, now=now)
    return found


def list_sessions(user_id: int) -> list[SessionRow]:
    """Return the open sessions of a person, last used first."""
    with reading(db.engine) as connection:
        return sessions.of_user(connection, user_id, lifetime=session_lifetime(), now=utc_now())


def sign_out(token: str, *, actor: Actor) -> None:
    """Sign a browser out."""
    with transaction_on(db.engine) as connection:
        if sessions.end(connection, token):
            trail.record(connection, Action.SIGNED_OUT, actor=actor, subject=actor.name)


def end_session(session_id: int, *, actor: Actor) -> None:
    """Sign out one browser of the person who acts; one that is signed out already is no error."""
    assert actor.id is not None
    with transaction_on(db.engine) as connection:
        if sessions.end_one(connection, actor.id, session_id):
            trail.record(connection, Action.SESSIONS_ENDED, actor=actor, subject=actor.name, count=1)


def end_sessions(user_id: int, *, keep: str = "", actor: Actor) -> int:
    """Sign out every browser of a person but the one with the token `keep`, and return how many there were."""
    with transaction_on(db.engine) as connection:
        count = sessions.end_all(connection, user_id, keep=keep)
        trail.record(connection, Action.SESSIONS_ENDED, actor=actor, subject=actor.name, count=count)
        return count

"""Use cases of sessions: used, listed, ended. How one is created is in `sign_in_service`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from alma_leads.accounts.core import sessions
from alma_leads.accounts.core.models import UserSession
from alma_leads.accounts.core.sessions import AuthSession, Lifetime
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db, settings
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction


def session_lifetime() -> Lifetime:
    """Return how long sessions last."""
    return Lifetime(timedelta(minutes=settings().SESSION_IDLE_MINUTES), timedelta(hours=settings().SESSION_MAX_HOURS))


def use_session(token: str, *, touch: bool = True) -> AuthSession | None:
    """Return the session with a token, unless it has expired; with `touch`, record now and then that it was used."""
    now, lifetime = utc_now(), session_lifetime()
    found = sessions.find_session(db.session(), token, lifetime=lifetime, now=now)
    if found is None:
        return None
    if touch and found.last_seen_at <= now - lifetime.touch_every:
        with transaction() as session:
            sessions.touch_session(session, found.session_id, now=now)
    return found


def list_sessions(user_id: int) -> Sequence[UserSession]:
    """Return the open sessions of a user, most recently used first."""
    return sessions.list_sessions_of_user(db.session(), user_id, lifetime=session_lifetime(), now=utc_now())


def sign_out(token: str, *, actor: Actor) -> None:
    """Sign a browser out."""
    with transaction() as session:
        if sessions.end_session(session, token):
            trail.record(session, Action.SIGNED_OUT, actor=actor, subject=actor.name)


def end_session(session_id: int, *, actor: Actor) -> None:
    """Sign out one browser of the user who acts; one that is signed out already is no error."""
    assert actor.id is not None
    with transaction() as session:
        if sessions.end_session_of_user(session, actor.id, session_id):
            trail.record(session, Action.SESSIONS_ENDED, actor=actor, subject=actor.name, count=1)


def end_sessions(user_id: int, *, keep: str = "", actor: Actor) -> int:
    """Sign out every browser of a user except the one with the token `keep`, and return how many there were."""
    with transaction() as session:
        count = sessions.end_sessions_of_user(session, user_id, keep=keep)
        trail.record(session, Action.SESSIONS_ENDED, actor=actor, subject=actor.name, count=count)
        return count

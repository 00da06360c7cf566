"""Signed-in browsers as rows: the cookie holds a random token, the table its hash."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import and_, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.core.links import token_hash
from alma_leads.accounts.core.models import SessionStage, User, UserSession
from alma_leads.accounts.core.proofs import Proof
from alma_leads.database.session import count_changed

# `last_seen_at` is written at most this often: a session costs no write per request. It is also a sixtieth of the idle
# time at most: whatever is not written is taken from the time that someone may pause.
TOUCH_EVERY = timedelta(minutes=1)
TOUCHES_AT_LEAST = 60
# Time enough to find the phone, or to set up an app on it.
HALF_OPEN_FOR = timedelta(minutes=15)

_USER_COLUMNS = (
    User.id,
    User.email,
    User.name,
    User.role,
    User.password,
    User.password_changed_at,
    User.active,
    User.handle,
    User.time_zone,
    User.theme,
    User.single_key_shortcuts,
)
# Every request of a browser asks this: one statement for session and user, built once. Loading both as entities took a
# quarter of the time of a page.
_FIND = (
    select(
        UserSession.id.label("session_id"),
        UserSession.stage,
        UserSession.proofs,
        UserSession.authenticated_at,
        UserSession.last_seen_at,
        *_USER_COLUMNS,
    )
    .join(User, User.id == UserSession.user_id)
    .where(
        UserSession.token_hash == bindparam("token_hash"),
        UserSession.last_seen_at > bindparam("idle_since"),
        UserSession.created_at > bindparam("oldest"),
        or_(UserSession.stage == SessionStage.OPEN, UserSession.created_at > bindparam("half_open_since")),
        User.active,
    )
)


class ClientInfo(NamedTuple):
    """The browser of a request: its network address, its User-Agent, and its device cookie, if it has one."""

    address: str
    user_agent: str
    device: str = ""


class Lifetime(NamedTuple):
    """How long a session may be unused, and how long it may last."""

    idle: timedelta
    longest: timedelta

    @property
    def touch_every(self) -> timedelta:
        """How long after a use was recorded the next one is."""
        return min(TOUCH_EVERY, self.idle / TOUCHES_AT_LEAST)

    def bounds(self, now: datetime) -> dict[str, datetime]:
        """Return the times before which a session has expired."""
        return {
            "idle_since": now - self.idle,
            "oldest": now - self.longest,
            "half_open_since": now - HALF_OPEN_FOR,
        }


class AuthSession(NamedTuple):
    """The session of a request: its user, how far the sign-in has come and by which proofs, and when it was last used.

    `user` is a copy to read from. It belongs to no database session, so nothing writes it back.
    """

    user: User
    session_id: int
    stage: SessionStage
    proofs: str
    authenticated_at: datetime
    last_seen_at: datetime


def create_session(
    session: Session, user_id: int, *, stage: SessionStage, proofs: Sequence[Proof], client: ClientInfo, now: datetime
) -> str:
    """Create a session and return its token."""
    token = secrets.token_urlsafe(32)
    session.add(
        UserSession(
            token_hash=token_hash(token),
            user_id=user_id,
            address=client.address[:45],
            user_agent=client.user_agent[:255],
            stage=stage,
            proofs=" ".join(proofs),
            authenticated_at=now,
            created_at=now,
            last_seen_at=now,
        )
    )
    return token


def find_session(session: Session, token: str, *, lifetime: Lifetime, now: datetime) -> AuthSession | None:
    """Return the session with a token, unless it has expired."""
    row = session.connection().execute(_FIND, {"token_hash": token_hash(token), **lifetime.bounds(now)}).one_or_none()
    if row is None:
        return None
    user = User(**{column.key: row._mapping[column.key] for column in _USER_COLUMNS})
    return AuthSession(user, row.session_id, row.stage, row.proofs, row.authenticated_at, row.last_seen_at)


def touch_session(session: Session, session_id: int, *, now: datetime) -> None:
    """Record that a session was used."""
    session.execute(update(UserSession).where(UserSession.id == session_id).values(last_seen_at=now))


def end_session(session: Session, token: str) -> bool:
    """End the session with a token, and return whether there was one."""
    return count_changed(session, delete(UserSession).where(UserSession.token_hash == token_hash(token))) > 0


def end_session_of_user(session: Session, user_id: int, session_id: int) -> bool:
    """End one session of a user, and return whether there was one."""
    ended = delete(UserSession).where(UserSession.id == session_id, UserSession.user_id == user_id)
    return count_changed(session, ended) > 0


def end_sessions_of_user(session: Session, user_id: int, *, keep: str = "") -> int:
    """End all sessions of a user except the one with the token `keep`, and return how many there were."""
    ended = delete(UserSession).where(UserSession.user_id == user_id)
    if keep:
        ended = ended.where(UserSession.token_hash != token_hash(keep))
    return count_changed(session, ended)


def list_sessions_of_user(
    session: Session, user_id: int, *, lifetime: Lifetime, now: datetime
) -> Sequence[UserSession]:
    """Return the open sessions of a user, most recently used first."""
    return session.scalars(
        select(UserSession)
        .where(
            UserSession.user_id == user_id,
            UserSession.stage == SessionStage.OPEN,
            UserSession.last_seen_at > now - lifetime.idle,
            UserSession.created_at > now - lifetime.longest,
        )
        .order_by(UserSession.last_seen_at.desc(), UserSession.id)
    ).all()


def purge_expired_sessions(session: Session, *, lifetime: Lifetime, now: datetime) -> int:
    """Delete expired sessions, and return how many there were."""
    bounds = lifetime.bounds(now)
    expired = or_(
        UserSession.last_seen_at < bounds["idle_since"],
        UserSession.created_at < bounds["oldest"],
        and_(UserSession.stage != SessionStage.OPEN, UserSession.created_at < bounds["half_open_since"]),
    )
    return count_changed(session, delete(UserSession).where(expired))

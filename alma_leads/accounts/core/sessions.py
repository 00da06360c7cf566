"""Browsers that are signed in, as rows: the cookie holds a random token, the table its hash."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.accounts.core.links import token_hash
from alma_leads.accounts.core.models import Role, SessionStage, User
from alma_leads.accounts.core.proofs import Proof
from alma_leads.database.base import from_stamp, to_stamp
from alma_leads.database.raw import Sql

# `last_seen_at` is written at most this often: a session costs no write per request. It is also a sixtieth of the idle
# time at most: whatever is not written is taken from the time that someone may pause.
TOUCH_EVERY = timedelta(minutes=1)
TOUCHES_AT_LEAST = 60
# Time enough to find the phone, or to set up an app on it.
HALF_OPEN_FOR = timedelta(minutes=15)

_INSERT = Sql("""
    INSERT INTO user_sessions (token_hash, user_id, address, user_agent, stage, proofs, authenticated_at, created_at,
                               last_seen_at)
    VALUES (:token_hash, :user_id, :address, :user_agent, :stage, :proofs, :now, :now, :now)
""")
_PERSON = ("id", "email", "name", "password", "handle", "time_zone", "theme", "single_key_shortcuts")
_HOLDER = Sql(f"""
    SELECT s.id, s.stage, s.proofs, s.authenticated_at, s.last_seen_at, u.role, u.password_changed_at,
        {", ".join(f"u.{name}" for name in _PERSON)}
    FROM user_sessions s JOIN users u ON u.id = s.user_id
    WHERE s.token_hash = :token_hash AND s.last_seen_at > :idle_since AND s.created_at > :oldest AND u.active
        AND (s.stage = 'open' OR s.created_at > :half_open_since)
""")
_TOUCH = Sql("UPDATE user_sessions SET last_seen_at = :now WHERE id = :id")
_CLOSE = Sql("DELETE FROM user_sessions WHERE token_hash = :token_hash")
_CLOSE_ALL = Sql("DELETE FROM user_sessions WHERE user_id = :user_id AND token_hash <> :keep")
_CLOSE_ONE = Sql("DELETE FROM user_sessions WHERE id = :id AND user_id = :user_id")
_OF_USER = Sql("""
    SELECT id, token_hash, address, user_agent, proofs, created_at, last_seen_at FROM user_sessions
    WHERE user_id = :user_id AND stage = 'open' AND last_seen_at > :idle_since AND created_at > :oldest
    ORDER BY last_seen_at DESC, id
""")
_FORGET = Sql("""
    DELETE FROM user_sessions WHERE last_seen_at < :idle_since OR created_at < :oldest
        OR (stage <> 'open' AND created_at < :half_open_since)
""")


class Visitor(NamedTuple):
    """The browser at the other end: its network address, what it calls itself, and its device cookie, if it has one."""

    address: str
    user_agent: str
    device: str = ""


class Lifetime(NamedTuple):
    """How long a session may be unused, and how long it may last."""

    idle: timedelta
    longest: timedelta

    @property
    def touch_every(self) -> timedelta:
        """How long after a session was noted as used it is noted again."""
        return min(TOUCH_EVERY, self.idle / TOUCHES_AT_LEAST)

    def bounds(self, now: datetime) -> dict[str, str]:
        """Return the stamps before which a session is over."""
        return {
            "idle_since": to_stamp(now - self.idle),
            "oldest": to_stamp(now - self.longest),
            "half_open_since": to_stamp(now - HALF_OPEN_FOR),
        }


class Holder(NamedTuple):
    """Who holds a session, how far the sign-in came and by what, when, and when the session was last used."""

    person: User
    session_id: int
    stage: SessionStage
    proofs: str
    authenticated_at: datetime
    last_seen_at: datetime


class SessionRow(NamedTuple):
    """A browser that is signed in, as its owner sees it."""

    id: int
    token_hash: str
    address: str
    user_agent: str
    proofs: str
    created_at: str
    last_seen_at: str


def begin(
    connection: Connection,
    user_id: int,
    *,
    stage: SessionStage,
    proofs: Sequence[Proof],
    visitor: Visitor,
    now: datetime,
) -> str:
    """Begin a session and return its token."""
    token = secrets.token_urlsafe(32)
    _INSERT.run(
        connection,
        token_hash=token_hash(token),
        user_id=user_id,
        address=visitor.address[:45],
        user_agent=visitor.user_agent[:255],
        stage=stage.value,
        proofs=" ".join(proofs),
        now=to_stamp(now),
    )
    return token


def holder(connection: Connection, token: str, *, lifetime: Lifetime, now: datetime) -> Holder | None:
    """Return who holds a session that has not ended, or None.

    It is asked at every request, so it is one statement for session and person, and no ORM query: that took a quarter
    of the time of a page. The person is a copy to be read; nothing writes it back.
    """
    row = _HOLDER.row(connection, token_hash=token_hash(token), **lifetime.bounds(now))
    if row is None:
        return None
    session_id, stage, proofs, authenticated_at, last_seen_at, role, changed, *values = row
    person = User(
        role=Role(role),
        password_changed_at=from_stamp(changed) if changed else None,
        active=True,
        **dict(zip(_PERSON, values, strict=True)),
    )
    return Holder(
        person, session_id, SessionStage(stage), proofs, from_stamp(authenticated_at), from_stamp(last_seen_at)
    )


def touch(connection: Connection, session_id: int, *, now: datetime) -> None:
    """Note that a session was used."""
    _TOUCH.run(connection, id=session_id, now=to_stamp(now))


def end(connection: Connection, token: str) -> bool:
    """End a session, and say whether there was one."""
    return _CLOSE.run(connection, token_hash=token_hash(token)) > 0


def end_one(connection: Connection, user_id: int, session_id: int) -> bool:
    """End a session of a person by its number, and say whether there was one."""
    return _CLOSE_ONE.run(connection, id=session_id, user_id=user_id) > 0


def end_all(connection: Connection, user_id: int, *, keep: str = "") -> int:
    """End every session of a person, but for the one with the token `keep`; return how many."""
    return _CLOSE_ALL.run(connection, user_id=user_id, keep=token_hash(keep) if keep else "")


def of_user(connection: Connection, user_id: int, *, lifetime: Lifetime, now: datetime) -> list[SessionRow]:
    """Return the open sessions of a person, last used first."""
    bounds = lifetime.bounds(now)
    rows = _OF_USER.rows(connection, user_id=user_id, idle_since=bounds["idle_since"], oldest=bounds["oldest"])
    return [SessionRow(*row) for row in rows]


def forget(connection: Connection, *, lifetime: Lifetime, now: datetime) -> int:
    """Delete sessions that are over."""
    return _FORGET.run(connection, **lifetime.bounds(now))

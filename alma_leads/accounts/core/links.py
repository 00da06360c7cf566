"""One-time links: made, looked at, and used up. Only a hash of each is kept. Runs in its callers' transactions."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.accounts.core.errors import LinkGone
from alma_leads.accounts.core.models import LinkPurpose
from alma_leads.database.base import to_stamp
from alma_leads.database.raw import Sql
from alma_leads.secret_key import keyed_hash

LIFETIME = timedelta(hours=24)
# Processes that start within this time belong to one start: one of them announces the set-up link.
ONE_START = timedelta(minutes=1)

_RETIRE_SETUP = Sql("DELETE FROM one_time_links WHERE purpose = 'setup'")
_RETIRE_OF_USER = Sql("DELETE FROM one_time_links WHERE user_id = :user_id AND purpose = :purpose AND used_at IS NULL")
_INSERT = Sql("""
    INSERT INTO one_time_links (token_hash, purpose, user_id, new_email, created_at, expires_at)
    VALUES (:token_hash, :purpose, :user_id, :new_email, :now, :expires_at)
""")
_LOOK = Sql("""
    SELECT l.user_id, u.email, u.name, l.new_email FROM one_time_links l LEFT JOIN users u ON u.id = l.user_id
    WHERE l.token_hash = :token_hash AND l.purpose = :purpose AND l.used_at IS NULL AND l.expires_at > :now
        AND (l.user_id IS NULL OR u.active)
""")
_USE = Sql("""
    UPDATE one_time_links SET used_at = :now
    WHERE token_hash = :token_hash AND purpose = :purpose AND used_at IS NULL AND expires_at > :now
        AND (user_id IS NULL OR user_id IN (SELECT id FROM users WHERE active))
    RETURNING user_id, new_email
""")
_SETUP = Sql("""
    SELECT id, token_hash, created_at FROM one_time_links
    WHERE purpose = 'setup' AND used_at IS NULL AND expires_at > :now ORDER BY id DESC
""")
_PROLONG = Sql("UPDATE one_time_links SET expires_at = :expires_at WHERE id = :id AND expires_at < :unless_after")
_FORGET = Sql("DELETE FROM one_time_links WHERE expires_at < :now")


class Link(NamedTuple):
    """Whom a link is for; nobody yet when it is for the set-up. `new_email` is what a change of address leads to."""

    user_id: int | None
    email: str | None
    name: str | None
    new_email: str | None


class Used(NamedTuple):
    """Whom a link was for that is now used up, and the address it changes to."""

    user_id: int | None
    new_email: str | None


class SetupLink(NamedTuple):
    """The token of the set-up link. `is_news` is true in one process of those that start together."""

    token: str
    is_news: bool


def token_hash(token: str) -> str:
    """Return what is kept of a token. It is random and long, so that a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def make(
    connection: Connection, purpose: LinkPurpose, *, user_id: int, now: datetime, new_email: str | None = None
) -> str:
    """Make a link and return its token; earlier ones for the same purpose and person stop working."""
    retire(connection, purpose, user_id=user_id)
    token = secrets.token_urlsafe(32)
    _insert(connection, token, purpose, user_id=user_id, now=now, new_email=new_email)
    return token


def _insert(
    connection: Connection,
    token: str,
    purpose: LinkPurpose,
    *,
    user_id: int | None,
    now: datetime,
    new_email: str | None = None,
) -> None:
    _INSERT.run(
        connection,
        token_hash=token_hash(token),
        purpose=purpose.value,
        user_id=user_id,
        new_email=new_email,
        now=to_stamp(now),
        expires_at=to_stamp(now + LIFETIME),
    )


def offer_setup(connection: Connection, *, now: datetime) -> SetupLink:
    """Return the set-up link, which each start prolongs, and make it when there is none.

    The caller holds the lock on people, so that processes that start together make one link. The token is derived from
    SECRET_KEY and the moment the link was made, so that every process can tell it although only its hash is kept.
    """
    expires_at = to_stamp(now + LIFETIME)
    for link_id, kept, created_at in _SETUP.rows(connection, now=to_stamp(now)):
        token = keyed_hash("set-up link", created_at)
        if token_hash(token) == kept:
            earlier = to_stamp(now + LIFETIME - ONE_START)
            renewed = _PROLONG.run(connection, id=link_id, expires_at=expires_at, unless_after=earlier) > 0
            return SetupLink(token, renewed)
    # None, or made with another SECRET_KEY.
    _RETIRE_SETUP.run(connection)
    token = keyed_hash("set-up link", to_stamp(now))
    _insert(connection, token, LinkPurpose.SETUP, user_id=None, now=now)
    return SetupLink(token, is_news=True)


def look(connection: Connection, token: str, purpose: LinkPurpose, *, now: datetime) -> Link:
    """Return whom a link is for, without using it up.

    Raises:
        LinkGone: it does not work any more.
    """
    row = _LOOK.row(connection, token_hash=token_hash(token), purpose=purpose.value, now=to_stamp(now))
    if row is None:
        raise LinkGone("This link was used already, or it is too old.")
    return Link(*row)


def retire(connection: Connection, purpose: LinkPurpose, *, user_id: int) -> bool:
    """Take back a person's unused link, and say whether there was one."""
    return _RETIRE_OF_USER.run(connection, user_id=user_id, purpose=purpose.value) > 0


def use(connection: Connection, token: str, purpose: LinkPurpose, *, now: datetime) -> Used:
    """Use a link up, and return whom it was for. Of two who try at once, one succeeds.

    Raises:
        LinkGone: it does not work any more.
    """
    row = _USE.row(connection, token_hash=token_hash(token), purpose=purpose.value, now=to_stamp(now))
    if row is None:
        raise LinkGone("This link was used already, or it is too old.")
    return Used(*row)


def forget(connection: Connection, *, now: datetime) -> int:
    """Delete links that are too old."""
    return _FORGET.run(connection, now=to_stamp(now))

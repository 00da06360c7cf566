"""One-time links: created, looked up, and used. Only a hash of each is stored. Runs in its callers' transactions."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Row, delete, or_, select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.core.errors import LinkExpired
from alma_leads.accounts.core.models import LinkPurpose, OneTimeLink, User
from alma_leads.common.secret_key import keyed_hash
from alma_leads.database.base import to_stamp
from alma_leads.database.session import count_changed

LIFETIME = timedelta(hours=24)
# Processes that start within this time belong to one start: one of them announces the set-up link.
ONE_START = timedelta(minutes=1)


class SetupLink(NamedTuple):
    """The token of the set-up link. `is_news` is true in one process of those that start together."""

    token: str
    is_news: bool


def token_hash(token: str) -> str:
    """Return what is stored of a token. It is random and long, so a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def create_link(
    session: Session, purpose: LinkPurpose, *, user_id: int, now: datetime, new_email: str | None = None
) -> str:
    """Create a link and return its token. The user's earlier links for the same purpose stop working."""
    revoke_link(session, purpose, user_id=user_id)
    token = secrets.token_urlsafe(32)
    session.add(_new_link(token, purpose, now=now, user_id=user_id, new_email=new_email))
    return token


def offer_setup(session: Session, *, now: datetime) -> SetupLink:
    """Return the set-up link, which each start extends, and create it if there is none.

    The caller has locked the users, so that processes that start together create one link. The token is derived from
    SECRET_KEY and the time the link was created, so that every process knows it although only its hash is stored.
    """
    setup_links = select(OneTimeLink).where(
        OneTimeLink.purpose == LinkPurpose.SETUP, OneTimeLink.used_at.is_(None), OneTimeLink.expires_at > now
    )
    for link in session.scalars(setup_links.order_by(OneTimeLink.id.desc())):
        token = keyed_hash("set-up link", to_stamp(link.created_at))
        if token_hash(token) == link.token_hash:
            is_news = link.expires_at < now + LIFETIME - ONE_START
            if is_news:
                link.expires_at = now + LIFETIME
            return SetupLink(token, is_news)
    # There is none, or it was created with another SECRET_KEY.
    session.execute(delete(OneTimeLink).where(OneTimeLink.purpose == LinkPurpose.SETUP))
    token = keyed_hash("set-up link", to_stamp(now))
    session.add(_new_link(token, LinkPurpose.SETUP, now=now))
    return SetupLink(token, is_news=True)


def get_link(
    session: Session, token: str, purpose: LinkPurpose, *, now: datetime
) -> Row[int | None, str | None, str, str]:
    """Return `user_id`, `email`, `name` and `new_email` of a link without using it. A set-up link has no user.

    Raises:
        LinkExpired: it no longer works.
    """
    found = (
        select(OneTimeLink.user_id, OneTimeLink.new_email, User.email, User.name)
        .outerjoin(User, User.id == OneTimeLink.user_id)
        .where(
            OneTimeLink.token_hash == token_hash(token),
            OneTimeLink.purpose == purpose,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.expires_at > now,
            or_(OneTimeLink.user_id.is_(None), User.active),
        )
    )
    link = session.execute(found).one_or_none()
    if link is None:
        raise LinkExpired("This link was used already, or it is too old.")
    return link


def use_link(session: Session, token: str, purpose: LinkPurpose, *, now: datetime) -> Row[int | None, str | None]:
    """Use a link up, and return its `user_id` and `new_email`. If two requests try at once, one succeeds.

    Raises:
        LinkExpired: it no longer works.
    """
    use = (
        update(OneTimeLink)
        .where(
            OneTimeLink.token_hash == token_hash(token),
            OneTimeLink.purpose == purpose,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.expires_at > now,
            or_(OneTimeLink.user_id.is_(None), OneTimeLink.user_id.in_(select(User.id).where(User.active))),
        )
        .values(used_at=now)
        .returning(OneTimeLink.user_id, OneTimeLink.new_email)
        .execution_options(synchronize_session=False)
    )
    link = session.execute(use).one_or_none()
    if link is None:
        raise LinkExpired("This link was used already, or it is too old.")
    return link


def revoke_link(session: Session, purpose: LinkPurpose, *, user_id: int) -> bool:
    """Delete a user's unused link, and return whether there was one."""
    unused = delete(OneTimeLink).where(
        OneTimeLink.user_id == user_id, OneTimeLink.purpose == purpose, OneTimeLink.used_at.is_(None)
    )
    return count_changed(session, unused) > 0


def purge_expired_links(session: Session, *, now: datetime) -> int:
    """Delete expired links, and return how many there were."""
    return count_changed(session, delete(OneTimeLink).where(OneTimeLink.expires_at < now))


def _new_link(
    token: str, purpose: LinkPurpose, *, now: datetime, user_id: int | None = None, new_email: str | None = None
) -> OneTimeLink:
    return OneTimeLink(
        token_hash=token_hash(token),
        purpose=purpose,
        user_id=user_id,
        new_email=new_email,
        created_at=now,
        expires_at=now + LIFETIME,
    )

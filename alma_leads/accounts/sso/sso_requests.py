"""Sign-ins that have gone to the identity provider, as rows: each comes back once, in time, and to its own browser."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from alma_leads.accounts.core.links import token_hash
from alma_leads.database.base import from_stamp, to_stamp
from alma_leads.database.raw import Sql

# Time enough to look for a phone at the provider.
LIFETIME = timedelta(minutes=15)

_INSERT = Sql("""
    INSERT INTO sso_requests (state_hash, browser_hash, nonce, verifier, wanted, confirming, created_at)
    VALUES (:state_hash, :browser_hash, :nonce, :verifier, :wanted, :confirming, :now)
""")
_USE = Sql("""
    DELETE FROM sso_requests
    WHERE state_hash = :state_hash AND browser_hash = :browser_hash AND created_at > :since
    RETURNING nonce, verifier, wanted, confirming, created_at
""")
_FORGET = Sql("DELETE FROM sso_requests WHERE created_at < :before")


class Secrets(NamedTuple):
    """What a sign-in takes along: `state` comes back by address, `nonce` by token; `verifier` redeems the code."""

    state: str
    nonce: str
    verifier: str


class SsoRequest(NamedTuple):
    """A sign-in that has come back."""

    nonce: str
    verifier: str
    wanted: str
    confirming: bool
    created_at: datetime


def make_secrets() -> Secrets:
    """Return fresh ones, of 256 bits each."""
    return Secrets(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(32))


def keep(session: Session, made: Secrets, *, browser: str, wanted: str, confirming: bool, now: datetime) -> None:
    """Note that a browser goes to the provider; `browser` is what its cookie knows it by."""
    _INSERT.run(
        session.connection(),
        state_hash=token_hash(made.state),
        browser_hash=token_hash(browser),
        nonce=made.nonce,
        verifier=made.verifier,
        wanted=wanted,
        confirming=confirming,
        now=to_stamp(now),
    )


def use(session: Session, state: str, *, browser: str, now: datetime) -> SsoRequest | None:
    """Return the sign-in that a browser comes back from, and forget it; None when it is not that browser's, or over."""
    row = _USE.row(
        session.connection(),
        state_hash=token_hash(state),
        browser_hash=token_hash(browser),
        since=to_stamp(now - LIFETIME),
    )
    if row is None:
        return None
    nonce, verifier, wanted, confirming, created_at = row
    return SsoRequest(nonce, verifier, wanted, bool(confirming), from_stamp(created_at))


def forget(session: Session, *, now: datetime) -> int:
    """Delete those that never came back."""
    return _FORGET.run(session.connection(), before=to_stamp(now - LIFETIME))

"""Sign-ins that have gone to the identity provider. Each returns once, in time, and to the browser it started in."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete
from sqlalchemy.orm import Session

from alma_leads.accounts.core.links import token_hash
from alma_leads.accounts.core.models import SsoRequest
from alma_leads.database.session import count_changed

# Enough time to find a phone for the provider's second factor.
LIFETIME = timedelta(minutes=15)


class Secrets(NamedTuple):
    """The secrets of a sign-in: `state` returns in the address, `nonce` in the token; `verifier` redeems the code."""

    state: str
    nonce: str
    verifier: str


def make_secrets() -> Secrets:
    """Return new secrets of 256 bits each."""
    return Secrets(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(32))


def create_request(
    session: Session, made: Secrets, *, browser: str, wanted: str, confirming: bool, now: datetime
) -> None:
    """Store that a browser goes to the provider; `browser` is the secret in its cookie."""
    session.add(
        SsoRequest(
            state_hash=token_hash(made.state),
            browser_hash=token_hash(browser),
            nonce=made.nonce,
            verifier=made.verifier,
            wanted=wanted,
            confirming=confirming,
            created_at=now,
        )
    )


def use_request(session: Session, state: str, *, browser: str, now: datetime) -> SsoRequest | None:
    """Delete and return the sign-in that a browser returns from; None if it expired or began in another browser."""
    valid = delete(SsoRequest).where(
        SsoRequest.state_hash == token_hash(state),
        SsoRequest.browser_hash == token_hash(browser),
        SsoRequest.created_at > now - LIFETIME,
    )
    return session.scalar(valid.returning(SsoRequest))


def purge_expired_requests(session: Session, *, now: datetime) -> int:
    """Delete sign-ins that never returned, and return how many there were."""
    return count_changed(session, delete(SsoRequest).where(SsoRequest.created_at < now - LIFETIME))

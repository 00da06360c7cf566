"""Challenges for passkeys: each for one browser and one purpose, and for one signature. Only hashes are stored."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from alma_leads.accounts.core.links import token_hash
from alma_leads.accounts.core.models import PasskeyChallenge
from alma_leads.database.session import count_changed

LIFETIME = timedelta(minutes=5)


def create_challenge(session: Session, *, purpose: str, browser: str, now: datetime) -> bytes:
    """Create a challenge and return it.

    Args:
        session: in a transaction of the caller.
        purpose: what a signature leads to, and for whom ("sign in", "confirm 7").
        browser: a secret that only the browser's cookie holds.
        now: the time.
    """
    challenge = secrets.token_bytes(32)
    hashed = _hash(challenge, purpose, browser)
    session.add(PasskeyChallenge(challenge_hash=hashed, expires_at=now + LIFETIME))
    return challenge


def use_challenge(session: Session, challenge: bytes, *, purpose: str, browser: str, now: datetime) -> bool:
    """Delete a challenge, and return whether it was valid for this purpose and browser. It can be used once."""
    valid = delete(PasskeyChallenge).where(
        PasskeyChallenge.challenge_hash == _hash(challenge, purpose, browser), PasskeyChallenge.expires_at > now
    )
    return count_changed(session, valid) > 0


def purge_expired_challenges(session: Session, *, now: datetime) -> int:
    """Delete expired challenges, and return how many there were."""
    return count_changed(session, delete(PasskeyChallenge).where(PasskeyChallenge.expires_at < now))


def _hash(challenge: bytes, purpose: str, browser: str) -> str:
    return token_hash(f"{purpose}\n{browser}\n{challenge.hex()}")

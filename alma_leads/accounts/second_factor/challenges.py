"""Challenges for passkeys: each for one browser and one purpose, signed once, and soon over. Only hashes are kept."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from alma_leads.accounts.core.links import token_hash
from alma_leads.database.base import to_stamp
from alma_leads.database.raw import Sql

LIFETIME = timedelta(minutes=5)

_INSERT = Sql("INSERT INTO passkey_challenges (challenge_hash, expires_at) VALUES (:hash, :expires_at)")
_USE = Sql("""
    DELETE FROM passkey_challenges WHERE challenge_hash = :hash AND expires_at > :now RETURNING challenge_hash
""")
_FORGET = Sql("DELETE FROM passkey_challenges WHERE expires_at < :now")


def make(session: Session, *, purpose: str, browser: str, now: datetime) -> bytes:
    """Make a challenge and return it.

    Args:
        session: in a transaction of the caller.
        purpose: what signing it leads to, and for whom ("sign in", "confirm 7").
        browser: a secret that only the browser's cookie holds.
        now: the present.
    """
    challenge = secrets.token_bytes(32)
    _INSERT.run(session.connection(), hash=_hash(challenge, purpose, browser), expires_at=to_stamp(now + LIFETIME))
    return challenge


def use(session: Session, challenge: bytes, *, purpose: str, browser: str, now: datetime) -> bool:
    """Use a challenge up, and say whether it was one of ours, for this purpose and browser. Of two who try, one may."""
    return _USE.row(session.connection(), hash=_hash(challenge, purpose, browser), now=to_stamp(now)) is not None


def forget(session: Session, *, now: datetime) -> int:
    """Delete challenges that are too old."""
    return _FORGET.run(session.connection(), now=to_stamp(now))


def _hash(challenge: bytes, purpose: str, browser: str) -> str:
    return token_hash(f"{purpose}\n{browser}\n{challenge.hex()}")

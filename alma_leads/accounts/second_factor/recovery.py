"""Recovery codes as rows: made, and used up. Runs in its callers' transactions."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy.orm import Session

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql

HOW_MANY = 10
# Crockford's base 32: nothing in it is taken for something else. 24 of them are 120 bits, so that a plain hash is
# enough (OWASP ASVS 5.0, 6.5.2 asks for 112).
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH, _GROUP = 24, 4
_MISREAD = str.maketrans("oil", "011", "- \t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014\u2212")

_FORGET = Sql("DELETE FROM recovery_codes WHERE user_id = :user_id")
_INSERT = Sql("INSERT INTO recovery_codes (user_id, code_hash) VALUES (:user_id, :code_hash)")
_USE = Sql("""
    UPDATE recovery_codes SET used_at = :now WHERE user_id = :user_id AND code_hash = :code_hash AND used_at IS NULL
""")


def make(session: Session, user_id: int, *, actor: Actor) -> list[str]:
    """Make a person's codes anew, and return them: nobody can show them again. Earlier ones stop working."""
    codes = [_code() for _ in range(HOW_MANY)]
    forget(session, user_id)
    for code in codes:
        _INSERT.run(session.connection(), user_id=user_id, code_hash=_hash(code))
    trail.record(session, Action.RECOVERY_CODES_MADE, actor=actor, subject=actor.name)
    return codes


def use(session: Session, user_id: int, typed: str) -> bool:
    """Use a code up, and say whether it worked. Of two who try the same one at once, one succeeds."""
    return _USE.run(session.connection(), user_id=user_id, code_hash=_hash(typed), now=to_stamp(utc_now())) > 0


def forget(session: Session, user_id: int) -> int:
    """Delete a person's codes, and return how many there were."""
    return _FORGET.run(session.connection(), user_id=user_id)


def _code() -> str:
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(code[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))


def _hash(typed: str) -> str:
    plain = typed.casefold().translate(_MISREAD)
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()

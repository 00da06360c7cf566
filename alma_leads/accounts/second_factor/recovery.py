"""Recovery codes: created, used once, deleted. Runs in its callers' transactions."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import RecoveryCode
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.database.base import utc_now
from alma_leads.database.session import count_changed

HOW_MANY = 10
# Crockford's base 32 has no characters that look alike. 24 of them are 120 bits, so that a plain hash is enough
# (OWASP ASVS 5.0, 6.5.2 asks for 112).
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH, _GROUP = 24, 4
_MISREAD = str.maketrans("oil", "011", "- \t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014\u2212")


def create_codes(session: Session, user_id: int, *, actor: Actor) -> list[str]:
    """Create new codes for a user, and return them: they are shown once. Earlier codes stop working."""
    codes = [_code() for _ in range(HOW_MANY)]
    delete_codes(session, user_id)
    session.add_all(RecoveryCode(user_id=user_id, code_hash=_hash(code)) for code in codes)
    trail.record(session, Action.RECOVERY_CODES_MADE, actor=actor, subject=actor.name)
    return codes


def use_code(session: Session, user_id: int, typed: str) -> bool:
    """Use a code, and return whether it was valid. If it is sent twice at once, it works once."""
    unused = update(RecoveryCode).where(
        RecoveryCode.user_id == user_id, RecoveryCode.code_hash == _hash(typed), RecoveryCode.used_at.is_(None)
    )
    return count_changed(session, unused.values(used_at=utc_now())) > 0


def delete_codes(session: Session, user_id: int) -> None:
    """Delete a user's codes."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def _code() -> str:
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(code[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))


def _hash(typed: str) -> str:
    plain = typed.casefold().translate(_MISREAD)
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()

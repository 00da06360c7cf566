"""Authenticator apps as rows: a secret that is encrypted at rest, and each of its codes taken once (RFC 6238).

Runs in its callers' transactions.
"""

from __future__ import annotations

import base64
import secrets
import time
from datetime import datetime
from typing import NamedTuple

import structlog
from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.twofactor import InvalidToken as WrongCode
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy.orm import Session

from alma_leads.accounts.core.links import token_hash
from alma_leads.database.base import to_stamp
from alma_leads.database.raw import Sql
from alma_leads.extensions import settings
from alma_leads.secret_key import fernet

log = structlog.get_logger(__name__)

# What every app can do; several ignore what an address says about other values.
STEP_SECONDS, DIGITS = 30, 6
SECRET_BYTES = 20  # RFC 4226, section 4, R6
# A clock may be off, and typing takes time: RFC 6238, section 5.2.
STEPS_AROUND = (-1, 0, 1)
_KEY_IS_FOR = b"alma: secrets of authenticator apps"

_FORGET_UNCONFIRMED = Sql("DELETE FROM authenticators WHERE user_id = :user_id AND confirmed_at IS NULL")
_INSERT = Sql("""
    INSERT INTO authenticators (user_id, secret, last_step, created_at) VALUES (:user_id, :secret, 0, :now)
""")
_UNCONFIRMED = Sql("SELECT id, secret FROM authenticators WHERE user_id = :user_id AND confirmed_at IS NULL")
_CONFIRM = Sql("UPDATE authenticators SET confirmed_at = :now WHERE id = :id AND confirmed_at IS NULL")
_FORGET_OTHERS = Sql("DELETE FROM authenticators WHERE user_id = :user_id AND id <> :id")
_CONFIRMED = Sql("SELECT id, secret FROM authenticators WHERE user_id = :user_id AND confirmed_at IS NOT NULL")
# The whole protection against replays: of two who show the same code at once, one finds the step still free.
_TAKE_STEP = Sql("UPDATE authenticators SET last_step = :step WHERE id = :id AND last_step < :step")


class Unconfirmed(NamedTuple):
    """An app that is being set up: its secret for typing, in groups, and as the address that its QR code holds."""

    secret: str
    uri: str


def begin(session: Session, user_id: int, *, now: datetime) -> str:
    """Begin to set an app up, and return the mark by which to go on. One that was begun before is given up.

    The mark is no number of a row: SQLite gives the number of a deleted row to the next one, and whoever had begun
    before would be shown the secret of somebody else's app.
    """
    _FORGET_UNCONFIRMED.run(session.connection(), user_id=user_id)
    sealed = fernet(_KEY_IS_FOR).encrypt(secrets.token_bytes(SECRET_BYTES)).decode()
    _INSERT.run(session.connection(), user_id=user_id, secret=sealed, now=to_stamp(now))
    return token_hash(sealed)


def unconfirmed(session: Session, mark: str, *, user_id: int, email: str) -> Unconfirmed | None:
    """Return what a person's app needs to be set up, or None when that is not under way (any more)."""
    _, secret = _begun(session, mark, user_id)
    if secret is None:
        return None
    text = base64.b32encode(secret).decode()
    groups = " ".join(text[start : start + 4] for start in range(0, len(text), 4))
    uri = _totp(secret).get_provisioning_uri(email, settings().AUTHENTICATOR_ISSUER)
    return Unconfirmed(groups, uri.replace("+", "%20"))  # some apps show the plus of a space as it is


def confirm(session: Session, mark: str, *, user_id: int, typed: str, now: datetime) -> bool:
    """Begin to use an app that shows the right code, in place of the one before, and say whether it did."""
    number, secret = _begun(session, mark, user_id)
    if secret is None or not _take(session, number, secret, typed):
        return False
    if not _CONFIRM.run(session.connection(), id=number, now=to_stamp(now)):
        return False
    _FORGET_OTHERS.run(session.connection(), user_id=user_id, id=number)
    return True


def use_code(session: Session, user_id: int, typed: str) -> bool:
    """Take a code that a person's app shows, and say whether it is right. Each is taken once."""
    row = _CONFIRMED.row(session.connection(), user_id=user_id)
    if row is None:
        return False
    secret = _opened(row[1])
    return secret is not None and _take(session, row[0], secret, typed)


def forget(session: Session, user_id: int) -> int:
    """Delete a person's apps, and return how many there were."""
    return _FORGET_OTHERS.run(session.connection(), user_id=user_id, id=0)


def _begun(session: Session, mark: str, user_id: int) -> tuple[int, bytes | None]:
    row = _UNCONFIRMED.row(session.connection(), user_id=user_id)
    if row is None or token_hash(row[1]) != mark:
        return 0, None
    return row[0], _opened(row[1])


def _take(session: Session, number: int, secret: bytes, typed: str) -> bool:
    totp, code = _totp(secret), "".join(typed.split())
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return False
    now = int(time.time()) // STEP_SECONDS
    right = [step for step in (now + around for around in STEPS_AROUND) if _is_code(totp, code, step)]
    return any(_TAKE_STEP.run(session.connection(), id=number, step=step) > 0 for step in right)


def _is_code(totp: TOTP, code: str, step: int) -> bool:
    try:
        totp.verify(code.encode(), step * STEP_SECONDS)
    except WrongCode:
        return False
    return True


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, hashes.SHA1(), STEP_SECONDS)  # noqa: S303 -- HMAC-SHA1 is what every app does


def _opened(sealed: str) -> bytes | None:
    try:
        return fernet(_KEY_IS_FOR).decrypt(sealed)
    except InvalidToken:
        # Its owner can come in by a recovery code or a passkey, or `flask people reset-2fa` begins anew.
        log.error("the secret of an authenticator app cannot be read: SECRET_KEY is not the one it was kept with")
        return None

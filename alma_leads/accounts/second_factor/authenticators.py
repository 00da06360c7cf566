"""Authenticator apps: set up, confirmed and asked for codes (RFC 6238). Secrets are encrypted, each code works once.

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
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.core.links import token_hash
from alma_leads.accounts.core.models import Authenticator
from alma_leads.common.extensions import settings
from alma_leads.common.secret_key import fernet
from alma_leads.database.session import count_changed

log = structlog.get_logger(__name__)

# What every app supports; several ignore other values in the URI.
STEP_SECONDS, DIGITS = 30, 6
SECRET_BYTES = 20  # RFC 4226, section 4, R6
# A clock may be off, and typing takes time: RFC 6238, section 5.2.
STEPS_AROUND = (-1, 0, 1)
_KEY_IS_FOR = b"alma: secrets of authenticator apps"


class AppSetup(NamedTuple):
    """An app that is being set up: its secret for typing, in groups, and the URI that its QR code holds."""

    secret: str
    uri: str


def begin_setup(session: Session, user_id: int, *, now: datetime) -> str:
    """Start to set up an app, and return the id of this setup. An earlier unfinished setup is deleted.

    The id is not that of the row: SQLite reuses the ids of deleted rows, so whoever had started before could be shown
    the secret of somebody else's app.
    """
    unconfirmed = delete(Authenticator).where(Authenticator.user_id == user_id, Authenticator.confirmed_at.is_(None))
    session.execute(unconfirmed)
    sealed = fernet(_KEY_IS_FOR).encrypt(secrets.token_bytes(SECRET_BYTES)).decode()
    session.add(Authenticator(user_id=user_id, secret=sealed, created_at=now))
    return token_hash(sealed)


def find_setup(session: Session, setup_id: str, *, user_id: int, email: str) -> AppSetup | None:
    """Return what a user's app needs to be set up, or None if no such setup is in progress."""
    app = _find_unconfirmed(session, setup_id, user_id)
    secret = None if app is None else _decrypt(app.secret)
    if secret is None:
        return None
    text = base64.b32encode(secret).decode()
    groups = " ".join(text[start : start + 4] for start in range(0, len(text), 4))
    uri = _totp(secret).get_provisioning_uri(email, settings().AUTHENTICATOR_ISSUER)
    return AppSetup(groups, uri.replace("+", "%20"))  # some apps show the plus of a space as it is


def confirm_setup(session: Session, setup_id: str, *, user_id: int, typed: str, now: datetime) -> bool:
    """Replace a user's app by the one that is being set up, and return whether that one showed the right code."""
    app = _find_unconfirmed(session, setup_id, user_id)
    if app is None or not _use_code(session, app, typed):
        return False
    app.confirmed_at = now
    session.execute(delete(Authenticator).where(Authenticator.user_id == user_id, Authenticator.id != app.id))
    return True


def use_code(session: Session, user_id: int, typed: str) -> bool:
    """Use a code of a user's app, and return whether it was right. Each code works once."""
    app = session.scalar(
        select(Authenticator).where(Authenticator.user_id == user_id, Authenticator.confirmed_at.is_not(None))
    )
    return app is not None and _use_code(session, app, typed)


def delete_apps(session: Session, user_id: int) -> None:
    """Delete a user's apps."""
    session.execute(delete(Authenticator).where(Authenticator.user_id == user_id))


def _find_unconfirmed(session: Session, setup_id: str, user_id: int) -> Authenticator | None:
    app = session.scalar(
        select(Authenticator).where(Authenticator.user_id == user_id, Authenticator.confirmed_at.is_(None))
    )
    return app if app is not None and token_hash(app.secret) == setup_id else None


def _use_code(session: Session, app: Authenticator, typed: str) -> bool:
    secret, code = _decrypt(app.secret), "".join(typed.split())
    if secret is None or len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return False
    totp, now = _totp(secret), int(time.time()) // STEP_SECONDS
    right = [step for step in (now + around for around in STEPS_AROUND) if _is_code(totp, code, step)]
    return any(_use_step(session, app, step) for step in right)


def _use_step(session: Session, app: Authenticator, step: int) -> bool:
    # The whole protection against replays: if the same code is sent twice at once, one finds the step still free.
    unused = update(Authenticator).where(Authenticator.id == app.id, Authenticator.last_step < step)
    return count_changed(session, unused.values(last_step=step)) > 0


def _is_code(totp: TOTP, code: str, step: int) -> bool:
    try:
        totp.verify(code.encode(), step * STEP_SECONDS)
    except WrongCode:
        return False
    return True


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, hashes.SHA1(), STEP_SECONDS)  # noqa: S303 -- HMAC-SHA1 is what every app does


def _decrypt(sealed: str) -> bytes | None:
    try:
        return fernet(_KEY_IS_FOR).decrypt(sealed)
    except InvalidToken:
        # The user can sign in with a recovery code or a passkey, or `flask people reset-2fa` starts over.
        log.error("cannot decrypt the secret of an authenticator app: SECRET_KEY has changed")
        return None

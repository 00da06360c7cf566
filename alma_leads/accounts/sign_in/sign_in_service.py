"""Use cases of signing in: a proof is counted and looked at, and leads to a session. Each is one transaction.

A sign-in that needs two proofs has a session from the first one on: half-open, so that it opens nothing but the page
for the second, and ends with everything else that ends sessions.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.accounts.core import sessions
from alma_leads.accounts.core.links import token_hash
from alma_leads.accounts.core.models import SessionStage
from alma_leads.accounts.core.password_rule import need_passwords
from alma_leads.accounts.core.passwords import hash_password, is_outdated, normalise_password, verify_password
from alma_leads.accounts.core.people import hold
from alma_leads.accounts.core.proofs import Proof, are_two_factors, in_words, stage_of
from alma_leads.accounts.core.sessions import Visitor
from alma_leads.accounts.sign_in import throttle
from alma_leads.actor import Actor, stranger
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.email_address import BadEmailAddress, normalise_email
from alma_leads.extensions import db

_ACCOUNT = Sql("SELECT id, name, password, active FROM users WHERE email = :email")
_PERSON = Sql("""
    SELECT u.email, u.name, u.active, u.password, f.second_factor_required,
        EXISTS (SELECT 1 FROM authenticators a WHERE a.user_id = u.id AND a.confirmed_at IS NOT NULL)
        OR EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = u.id)
    FROM users u CROSS JOIN firm f WHERE u.id = :id
""")
_CONFIRM = Sql("""
    UPDATE user_sessions SET token_hash = :new, authenticated_at = :now WHERE token_hash = :token_hash RETURNING stage
""")
_SET_PROOFS = Sql("UPDATE user_sessions SET proofs = :proofs WHERE token_hash = :token_hash")
_REHASH = Sql("UPDATE users SET password = :password WHERE id = :id")
_HALF_OPEN = Sql("""
    SELECT user_id, proofs FROM user_sessions WHERE token_hash = :token_hash AND stage <> 'open' AND created_at > :since
""")
_OPEN = Sql("SELECT proofs FROM user_sessions WHERE token_hash = :token_hash AND stage = 'open'")

UNKNOWN_ACCOUNT = "an unknown account"


class Opened(NamedTuple):
    """A session that has begun: the token for its cookie, and how far it leads."""

    token: str
    stage: SessionStage


def begin_attempt(email: str, *, address: str, device: str = "") -> int:
    """Count an attempt before what was typed is looked at, and return its number.

    Args:
        email: as typed.
        address: of the client.
        device: the browser's device cookie, or "".

    Raises:
        TooManyAttempts: this account or this address has to wait.
    """
    with transaction_on(db.engine) as connection:
        now = utc_now()
        account, apart = throttle.counted(email, device=device, now=now)
        return throttle.begin(connection, account=account, address=address, now=now, apart=apart)


def note_failure(email: str, *, address: str, proof: Proof) -> None:
    """Write down that someone could not prove to be the person with this address."""
    with transaction_on(db.engine) as connection:
        row = _find(connection, email)
        # An address that is nobody's is not kept: it may be a password, or a prospect's.
        subject = row[1] if row else UNKNOWN_ACCOUNT
        trail.record(connection, Action.SIGN_IN_FAILED, actor=stranger(address), subject=subject, by=proof.value)


def sign_in_with_password(email: str, password: str, *, visitor: Visitor, instead_of: str) -> Opened | None:
    """Begin a session for whoever knows the password; None when it is wrong, or nobody has the address.

    Known and unknown accounts take the same time and say the same.

    Args:
        email: as typed.
        password: as typed.
        visitor: the browser.
        instead_of: the token of the session that this browser had before, which ends.

    Raises:
        TooManyAttempts: this account or this address has to wait.
        PasswordsOff: nobody has one.
    """
    need_passwords()
    attempt = begin_attempt(email, address=visitor.address, device=visitor.device)
    with reading(db.engine) as connection:
        row = _find(connection, email)
    user_id, _name, hashed, active = row or (None, None, None, False)
    right = verify_password(password, hashed if active else None)
    if user_id is None or not right:
        note_failure(email, address=visitor.address, proof=Proof.PASSWORD)
        return None
    renewed = hash_password(normalise_password(password)) if hashed and is_outdated(hashed) else None
    with transaction_on(db.engine) as connection:
        opened = begin_session(
            connection, user_id, [Proof.PASSWORD], visitor=visitor, instead_of=instead_of, password_was=hashed
        )
        if opened is None:
            return None  # changed or turned off while we looked
        if renewed:
            _REHASH.run(connection, id=user_id, password=renewed)
        if opened.stage is not SessionStage.SECOND_FACTOR:
            forget_failures(connection, attempt, email, visitor=visitor)
        return opened


def forget_failures(connection: Connection, attempt: int, email: str, *, visitor: Visitor) -> None:
    """Forget an attempt that was right, and the wrong ones before it that were counted with it."""
    account, _ = throttle.counted(email, device=visitor.device, now=utc_now())
    throttle.succeed(connection, attempt, account=account)


def open_session(user_id: int, proofs: Sequence[Proof], *, visitor: Visitor, instead_of: str) -> Opened | None:
    """Begin a session for someone who has shown `proofs`; None when that person was turned off."""
    with transaction_on(db.engine) as connection:
        return begin_session(connection, user_id, proofs, visitor=visitor, instead_of=instead_of)


def begin_session(
    connection: Connection,
    user_id: int,
    proofs: Sequence[Proof],
    *,
    visitor: Visitor,
    instead_of: str,
    password_was: str | None = None,
) -> Opened | None:
    """Begin a session in the caller's transaction, open or half-open; see `open_session`.

    `password_was` is the hash that the password was compared with: None is returned when it is another one now.
    """
    hold(connection, user_id)
    row = _PERSON.row(connection, id=user_id)
    if row is None:
        return None
    email, name, active, password, required, has_second_factor = row
    if not active or (password_was is not None and password != password_was):
        return None
    stage = stage_of(proofs, has_second_factor=bool(has_second_factor), required=bool(required))
    sessions.end(connection, instead_of)
    token = sessions.begin(connection, user_id, stage=stage, proofs=proofs, visitor=visitor, now=utc_now())
    if stage is SessionStage.OPEN:
        who = Actor("user", user_id, name, visitor.address)
        trail.record(connection, Action.SIGNED_IN, actor=who, subject=name, by=in_words(" ".join(proofs)))
        if are_two_factors(proofs):
            throttle.forget_account(connection, throttle.account_key(email))
            forget_failures(connection, 0, email, visitor=visitor)
    return Opened(token, stage)


def complete_sign_in(connection: Connection, token: str, proof: Proof, *, visitor: Visitor) -> Opened | None:
    """Open the half-open session with this token, by its second proof, in the caller's transaction.

    The session gets a new token. None when there is no such session (any more), or its person was turned off.
    """
    since = to_stamp(utc_now() - sessions.HALF_OPEN_FOR)
    row = _HALF_OPEN.row(connection, token_hash=token_hash(token), since=since)
    if row is None:
        return None
    user_id, before = row
    proofs = [*map(Proof, before.split()), proof]
    return begin_session(connection, user_id, proofs, visitor=visitor, instead_of=token)


def add_proof(connection: Connection, token: str, proof: Proof, *, visitor: Visitor) -> Opened | None:
    """Note that the holder of a session has just shown `proof`: a half-open session opens, and each gets a new token.

    None when there is no such session (any more), or its person was turned off.
    """
    row = _OPEN.row(connection, token_hash=token_hash(token))
    if row is None:
        return complete_sign_in(connection, token, proof, visitor=visitor)
    proofs = dict.fromkeys([*row[0].split(), proof.value])
    _SET_PROOFS.run(connection, token_hash=token_hash(token), proofs=" ".join(proofs))
    return confirm(connection, token)


def confirm_with_password(email: str, password: str, *, token: str, visitor: Visitor) -> Opened | None:
    """Take note that whoever holds an open session has just shown the password again; None when it is wrong.

    Raises:
        TooManyAttempts: this account or this address has to wait.
        PasswordsOff: nobody has one.
    """
    need_passwords()
    attempt = begin_attempt(email, address=visitor.address, device=visitor.device)
    with reading(db.engine) as connection:
        row = _find(connection, email)
    if row is None or not verify_password(password, row[2]):
        note_failure(email, address=visitor.address, proof=Proof.PASSWORD)
        return None
    with transaction_on(db.engine) as connection:
        forget_failures(connection, attempt, email, visitor=visitor)
        return confirm(connection, token)


def confirm(connection: Connection, token: str) -> Opened | None:
    """Note in the caller's transaction that the holder of a session has just shown a proof; it gets a new token."""
    new = secrets.token_urlsafe(32)
    row = _CONFIRM.row(connection, new=token_hash(new), token_hash=token_hash(token), now=to_stamp(utc_now()))
    return Opened(new, SessionStage(row[0])) if row else None


def _find(connection: Connection, email: str) -> tuple[int, str, str | None, bool] | None:
    try:
        row = _ACCOUNT.row(connection, email=normalise_email(email))
    except BadEmailAddress:
        return None
    return row and (row[0], row[1], row[2], bool(row[3]))

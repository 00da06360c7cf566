"""Use cases of signing in: a proof is counted and checked, and leads to a session. Each is one transaction.

A sign-in that needs two proofs has a session from the first one on: half-open, so that it opens nothing but the page
for the second, and ends with everything else that ends sessions.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from alma_leads.accounts.core import factors, sessions
from alma_leads.accounts.core.links import token_hash
from alma_leads.accounts.core.models import Firm, SessionStage, User, UserSession
from alma_leads.accounts.core.password_rule import need_passwords
from alma_leads.accounts.core.passwords import hash_password, is_outdated, normalise_password, verify_password
from alma_leads.accounts.core.proofs import Proof, are_two_factors, in_words, stage_of
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.core.users import find_user_by_email, lock_user
from alma_leads.accounts.sign_in import throttle
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor, stranger
from alma_leads.common.email_address import BadEmailAddress, normalise_email
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction

UNKNOWN_ACCOUNT = "an unknown account"


class Opened(NamedTuple):
    """A session that was created: the token for its cookie, and how far it leads."""

    token: str
    stage: SessionStage


def begin_attempt(email: str, *, address: str, device: str = "") -> int:
    """Count an attempt before what was typed is checked, and return its id.

    Args:
        email: as typed.
        address: of the client.
        device: the browser's device cookie, or "".

    Raises:
        TooManyAttempts: this account or this address has to wait.
    """
    with transaction() as session:
        now = utc_now()
        account, is_apart = throttle.counter_of(email, device=device, now=now)
        return throttle.count_attempt(session, account=account, address=address, now=now, is_apart=is_apart)


def record_failure(email: str, *, address: str, proof: Proof) -> None:
    """Record that someone could not prove to be the user with this address."""
    with transaction() as session:
        user = _find_user(session, email)
        # An address that is nobody's is not stored: it may be a password, or a prospect's.
        trail.record(
            session,
            Action.SIGN_IN_FAILED,
            actor=stranger(address),
            subject=user.name if user else UNKNOWN_ACCOUNT,
            by=proof.value,
        )


def sign_in_with_password(email: str, password: str, *, client: ClientInfo, instead_of: str) -> Opened | None:
    """Create a session for whoever knows the password; None when it is wrong, or nobody has the address.

    Known and unknown accounts take the same time and get the same answer.

    Args:
        email: as typed.
        password: as typed.
        client: the browser.
        instead_of: the token of the session that this browser had before, which ends.

    Raises:
        TooManyAttempts: this account or this address has to wait.
        PasswordsOff: nobody has one.
    """
    need_passwords()
    attempt_id = begin_attempt(email, address=client.address, device=client.device)
    user = _find_user(db.session(), email)
    hashed = user.password if user and user.active else None
    if not verify_password(password, hashed) or user is None:
        record_failure(email, address=client.address, proof=Proof.PASSWORD)
        return None
    renewed = hash_password(normalise_password(password)) if hashed and is_outdated(hashed) else None
    with transaction() as session:
        current = lock_user(session, user.id)
        if current.password != hashed:
            return None  # changed while we checked
        opened = begin_session(session, user.id, [Proof.PASSWORD], client=client, instead_of=instead_of)
        if opened is None:
            return None  # deactivated while we checked
        if renewed:
            current.password = renewed
        if opened.stage is not SessionStage.SECOND_FACTOR:
            clear_failures(session, attempt_id, email, client=client)
        return opened


def clear_failures(session: Session, attempt_id: int, email: str, *, client: ClientInfo) -> None:
    """Delete an attempt that was right, and the wrong ones before it that were counted with it."""
    account, _ = throttle.counter_of(email, device=client.device, now=utc_now())
    throttle.clear_attempts(session, attempt_id, account=account)


def open_session(user_id: int, proofs: Sequence[Proof], *, client: ClientInfo, instead_of: str) -> Opened | None:
    """Create a session for a user who has shown `proofs`; None when the user was deactivated."""
    with transaction() as session:
        return begin_session(session, user_id, proofs, client=client, instead_of=instead_of)


def begin_session(
    session: Session, user_id: int, proofs: Sequence[Proof], *, client: ClientInfo, instead_of: str
) -> Opened | None:
    """Create a session in the caller's transaction, open or half-open; see `open_session`."""
    user = lock_user(session, user_id)
    if not user.active:
        return None
    has_second_factor = factors.get_factors(session, user_id).has_second
    required = session.scalars(select(Firm.second_factor_required)).one()
    stage = stage_of(proofs, has_second_factor=has_second_factor, required=required)
    sessions.end_session(session, instead_of)
    token = sessions.create_session(session, user_id, stage=stage, proofs=proofs, client=client, now=utc_now())
    if stage is SessionStage.OPEN:
        actor = Actor("user", user_id, user.name, client.address)
        by = in_words(" ".join(proofs))
        trail.record(session, Action.SIGNED_IN, actor=actor, subject=user.name, by=by)
        if are_two_factors(proofs):
            throttle.clear_account(session, throttle.account_key(user.email))
            clear_failures(session, 0, user.email, client=client)
    return Opened(token, stage)


def complete_sign_in(session: Session, token: str, proof: Proof, *, client: ClientInfo) -> Opened | None:
    """Open the half-open session with this token, by its second proof, in the caller's transaction.

    The session gets a new token. None when there is no such session (any more), or its user was deactivated.
    """
    half_open = session.scalar(
        select(UserSession).where(
            UserSession.token_hash == token_hash(token),
            UserSession.stage != SessionStage.OPEN,
            UserSession.created_at > utc_now() - sessions.HALF_OPEN_FOR,
        )
    )
    if half_open is None:
        return None
    proofs = [*map(Proof, half_open.proofs.split()), proof]
    return begin_session(session, half_open.user_id, proofs, client=client, instead_of=token)


def add_proof(session: Session, token: str, proof: Proof, *, client: ClientInfo) -> Opened | None:
    """Record that the user of a session has just shown `proof`: a half-open session opens, and it gets a new token.

    The caller has locked the user: sessions are locked after users everywhere.
    None when there is no such session (any more), or its user was deactivated.
    """
    found = _lock_session(session, token)
    if found is None or found.stage is not SessionStage.OPEN:
        return complete_sign_in(session, token, proof, client=client)
    found.proofs = " ".join(dict.fromkeys([*found.proofs.split(), proof.value]))
    return confirm(session, token)


def confirm_with_password(email: str, password: str, *, token: str, client: ClientInfo) -> Opened | None:
    """Record that the user of an open session has just shown the password again; None when it is wrong.

    Raises:
        TooManyAttempts: this account or this address has to wait.
        PasswordsOff: nobody has one.
    """
    need_passwords()
    attempt_id = begin_attempt(email, address=client.address, device=client.device)
    user = _find_user(db.session(), email)
    if user is None or not verify_password(password, user.password):
        record_failure(email, address=client.address, proof=Proof.PASSWORD)
        return None
    with transaction() as session:
        clear_failures(session, attempt_id, email, client=client)
        return confirm(session, token)


def confirm(session: Session, token: str) -> Opened | None:
    """Record in the caller's transaction that the user of a session has just shown a proof; it gets a new token."""
    found = _lock_session(session, token)
    if found is None:
        return None
    new = secrets.token_urlsafe(32)
    found.token_hash, found.authenticated_at = token_hash(new), utc_now()
    return Opened(new, found.stage)


def _lock_session(session: Session, token: str) -> UserSession | None:
    return session.scalar(select(UserSession).where(UserSession.token_hash == token_hash(token)).with_for_update())


def _find_user(session: Session, email: str) -> User | None:
    try:
        return find_user_by_email(session, normalise_email(email))
    except BadEmailAddress:
        return None

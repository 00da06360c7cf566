"""What follows when a second factor, an app or a passkey, was added or removed. Runs in its callers' transactions."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from alma_leads.accounts.core import factors, sessions
from alma_leads.accounts.core.emails import Notice, notify
from alma_leads.accounts.core.errors import SecondFactorRequired, SessionExpired
from alma_leads.accounts.core.models import Firm
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.core.users import lock_user
from alma_leads.accounts.second_factor import recovery
from alma_leads.accounts.sign_in.sign_in_service import Opened, add_proof
from alma_leads.common.actor import Actor


class Added(NamedTuple):
    """The result of adding a second factor: the session goes on as `opened`, and `codes` are shown once."""

    opened: Opened
    codes: list[str]


def after_adding(
    session: Session, user_id: int, *, actor: Actor, token: str, proof: Proof, client: ClientInfo
) -> Added:
    """Open the session in which a user added a second factor, end the others, and notify the user.

    The session gets a new token. The user's other sessions end, since they began without the new factor. With the first
    factor the user gets recovery codes.

    Args:
        session: in a transaction of the caller, which has added the factor already.
        user_id: whose factor.
        actor: the same user.
        token: of the session it was added in.
        proof: what was shown by adding it.
        client: the browser.

    Raises:
        SessionExpired: the session has ended meanwhile. The caller's transaction must be rolled back.
    """
    lock_user(session, user_id)  # if two factors are added at once, the second finds its session ended
    opened = add_proof(session, token, proof, client=client)
    if opened is None:
        raise SessionExpired("This sign-in has ended.")
    sessions.end_sessions_of_user(session, user_id, keep=opened.token)
    notice = Notice.PASSKEY_ADDED if proof is Proof.PASSKEY else Notice.APP_ADDED
    notify(session, notice, user_id=user_id, actor=actor)
    has_codes = factors.get_factors(session, user_id).recovery_codes > 0
    return Added(opened, [] if has_codes else recovery.create_codes(session, user_id, actor=actor))


def after_removing(session: Session, user_id: int, *, keep_session: str) -> None:
    """End a user's other sessions after a second factor was removed. With the last one, delete the recovery codes.

    Raises:
        SecondFactorRequired: it was the last one, and the firm requires one. The transaction must be rolled back.
    """
    lock_user(session, user_id)
    if not factors.get_factors(session, user_id).has_second:
        if is_required(session):
            raise SecondFactorRequired("The firm requires a second factor.")
        recovery.delete_codes(session, user_id)
    sessions.end_sessions_of_user(session, user_id, keep=keep_session)


def is_required(session: Session) -> bool:
    """Return whether the firm requires a second factor of everyone."""
    return session.scalars(select(Firm.second_factor_required)).one()

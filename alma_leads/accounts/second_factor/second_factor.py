"""What adding or removing any second factor brings with it, be it an app or a passkey.

Runs in its callers' transactions.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.orm import Session

from alma_leads.accounts.core import factors, sessions
from alma_leads.accounts.core.emails import Notice, notify
from alma_leads.accounts.core.errors import SecondFactorRequired, SessionExpired
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.sessions import ClientInfo
from alma_leads.accounts.core.users import lock_user
from alma_leads.accounts.second_factor import recovery
from alma_leads.accounts.sign_in.sign_in_service import Opened, add_proof
from alma_leads.actor import Actor
from alma_leads.database.raw import Sql

_REQUIRED = Sql("SELECT second_factor_required FROM firm")


class Added(NamedTuple):
    """What comes of a second factor that was added: the session goes on as `opened`; `codes` are shown once."""

    opened: Opened
    codes: list[str]


def added(session: Session, user_id: int, *, actor: Actor, token: str, proof: Proof, client: ClientInfo) -> Added:
    """Go on after a person has added a second factor, in the caller's transaction.

    The session it was added in is open from now on and gets a new token; every other one of the person's ends, since
    it began without the new factor. The first factor brings recovery codes.

    Args:
        session: in a transaction of the caller, which has added the factor already.
        user_id: whose.
        actor: the same person.
        token: of the session it was added in.
        proof: what was shown by adding it.
        client: the browser.

    Raises:
        SessionExpired: the session has ended meanwhile. The caller's transaction must not be kept.
    """
    lock_user(session, user_id)  # of two who add a first factor at once, the second finds its session ended
    opened = add_proof(session, token, proof, client=client)
    if opened is None:
        raise SessionExpired("This sign-in has ended.")
    sessions.end_sessions_of_user(session, user_id, keep=opened.token)
    notice = Notice.PASSKEY_ADDED if proof is Proof.PASSKEY else Notice.APP_ADDED
    notify(session, notice, user_id=user_id, actor=actor)
    has_codes = factors.get_factors(session, user_id).recovery_codes > 0
    return Added(opened, [] if has_codes else recovery.make(session, user_id, actor=actor))


def removed(session: Session, user_id: int, *, keep_session: str) -> None:
    """Go on after a person has removed a second factor, in the caller's transaction.

    Every other session of the person's ends. With the last factor the recovery codes go, which stand in for one.

    Raises:
        SecondFactorRequired: it was the last one, and the firm requires one. The transaction must not be kept.
    """
    lock_user(session, user_id)
    if not factors.get_factors(session, user_id).has_second:
        if is_required(session):
            raise SecondFactorRequired("The firm requires a second factor.")
        recovery.forget(session, user_id)
    sessions.end_sessions_of_user(session, user_id, keep=keep_session)


def is_required(session: Session) -> bool:
    """Say whether the firm requires a second factor of everyone."""
    return bool(_REQUIRED.rows(session.connection())[0][0])

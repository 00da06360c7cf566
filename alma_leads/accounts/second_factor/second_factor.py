"""What adding or removing any second factor brings with it, be it an app or a passkey.

Runs in its callers' transactions.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.accounts.core import factors, sessions
from alma_leads.accounts.core.emails import Notice, tell
from alma_leads.accounts.core.errors import SecondFactorRequired, SignInOver
from alma_leads.accounts.core.people import hold
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.sessions import Visitor
from alma_leads.accounts.second_factor import recovery
from alma_leads.accounts.sign_in.sign_in_service import Opened, add_proof
from alma_leads.actor import Actor
from alma_leads.database.raw import Sql

_REQUIRED = Sql("SELECT second_factor_required FROM firm")


class Added(NamedTuple):
    """What comes of a second factor that was added: the session goes on as `opened`; `codes` are shown once."""

    opened: Opened
    codes: list[str]


def added(connection: Connection, user_id: int, *, actor: Actor, token: str, proof: Proof, visitor: Visitor) -> Added:
    """Go on after a person has added a second factor, in the caller's transaction.

    The session it was added in is open from now on and gets a new token; every other one of the person's ends, since
    it began without the new factor. The first factor brings recovery codes.

    Args:
        connection: in a transaction of the caller, which has added the factor already.
        user_id: whose.
        actor: the same person.
        token: of the session it was added in.
        proof: what was shown by adding it.
        visitor: the browser.

    Raises:
        SignInOver: the session has ended meanwhile. The caller's transaction must not be kept.
    """
    hold(connection, user_id)  # of two who add a first factor at once, the second finds its session ended
    opened = add_proof(connection, token, proof, visitor=visitor)
    if opened is None:
        raise SignInOver("This sign-in has ended.")
    sessions.end_all(connection, user_id, keep=opened.token)
    notice = Notice.PASSKEY_ADDED if proof is Proof.PASSKEY else Notice.APP_ADDED
    tell(connection, notice, user_id=user_id, actor=actor)
    has_codes = factors.of_person(connection, user_id).recovery_codes > 0
    return Added(opened, [] if has_codes else recovery.make(connection, user_id, actor=actor))


def removed(connection: Connection, user_id: int, *, keep_session: str) -> None:
    """Go on after a person has removed a second factor, in the caller's transaction.

    Every other session of the person's ends. With the last factor the recovery codes go, which stand in for one.

    Raises:
        SecondFactorRequired: it was the last one, and the firm requires one. The transaction must not be kept.
    """
    hold(connection, user_id)
    if not factors.of_person(connection, user_id).has_second:
        if is_required(connection):
            raise SecondFactorRequired("The firm requires a second factor.")
        recovery.forget(connection, user_id)
    sessions.end_all(connection, user_id, keep=keep_session)


def is_required(connection: Connection) -> bool:
    """Say whether the firm requires a second factor of everyone."""
    return bool(_REQUIRED.rows(connection)[0][0])

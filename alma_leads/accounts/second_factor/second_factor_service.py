"""Use cases of the second factor: an app, recovery codes, everything reset, and the firm's rule.

Each is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from alma_leads.accounts.core import factors, sessions, users
from alma_leads.accounts.core.emails import Notice, notify
from alma_leads.accounts.core.errors import NoSecondFactor, SessionExpired
from alma_leads.accounts.core.factors import Factors
from alma_leads.accounts.core.models import User
from alma_leads.accounts.core.password_rule import need_passwords
from alma_leads.accounts.core.passwords import verify_password
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.sessions import AuthSession, ClientInfo
from alma_leads.accounts.core.users import lock_user
from alma_leads.accounts.second_factor import authenticators, recovery, second_factor
from alma_leads.accounts.second_factor.authenticators import Unconfirmed
from alma_leads.accounts.second_factor.second_factor import Added
from alma_leads.accounts.sign_in.sign_in_service import (
    Opened,
    begin_attempt,
    clear_failures,
    complete_sign_in,
    confirm,
    record_failure,
)
from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.session import transaction
from alma_leads.extensions import db

_FORGET_PASSKEYS = Sql("DELETE FROM passkeys WHERE user_id = :user_id")
_SET_REQUIRED = Sql("UPDATE firm SET second_factor_required = :required WHERE second_factor_required <> :required")
# Whoever is in by one factor has to show the second, or to set one up. The time for that begins now.
_LEAD_TO_SECOND = Sql("""
    UPDATE user_sessions SET created_at = :now, stage = CASE
        WHEN EXISTS (SELECT 1 FROM authenticators a WHERE a.user_id = user_sessions.user_id
                     AND a.confirmed_at IS NOT NULL)
            OR EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = user_sessions.user_id)
        THEN 'second_factor' ELSE 'enrolment' END
    WHERE stage = 'open' AND proofs IN ('password', 'link', 'sso')
""")
_WITHOUT = Sql("""
    SELECT count(*) FROM users u WHERE u.active
        AND NOT EXISTS (SELECT 1 FROM authenticators a WHERE a.user_id = u.id AND a.confirmed_at IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = u.id)
""")


# What takes a code of each kind: the person's number and what was typed lead to whether it works.
_USE: Final[dict[Proof, Callable[[Session, int, str], bool]]] = {
    Proof.CODE: authenticators.use_code,
    Proof.RECOVERY_CODE: recovery.use,
}


class Rule(NamedTuple):
    """Whether everyone needs a second factor, how many active people have none, and whether the reader has one."""

    required: bool
    without: int
    reader_has_one: bool


def own_factors(user_id: int) -> tuple[Factors, bool]:
    """Return by what a person can come in, and whether the firm requires a second factor."""
    return factors.get_factors(db.session(), user_id), second_factor.is_required(db.session())


def begin_app(actor: Actor) -> str:
    """Begin to set up an authenticator app for the person who acts, and return the mark by which to go on."""
    assert actor.id is not None
    with transaction() as session:
        return authenticators.begin(session, actor.id, now=utc_now())


def look_at_app(mark: str, *, user_id: int, email: str) -> Unconfirmed | None:
    """Return what the app needs that is being set up, or None when that is not under way (any more)."""
    return authenticators.unconfirmed(db.session(), mark, user_id=user_id, email=email)


def confirm_app(mark: str, typed: str, *, actor: Actor, token: str, client: ClientInfo) -> Added | None:
    """Use the app from now on, in place of the one before; None when it does not show the right code.

    Args:
        mark: of the app that is being set up.
        typed: the code it shows.
        actor: whose app it is.
        token: of the session.
        client: the browser.

    Raises:
        SessionExpired: the session has ended meanwhile.
    """
    assert actor.id is not None
    with transaction() as session:
        lock_user(session, actor.id)
        if not authenticators.confirm(session, mark, user_id=actor.id, typed=typed, now=utc_now()):
            return None
        trail.record(session, Action.AUTHENTICATOR_ADDED, actor=actor, subject=actor.name)
        return second_factor.added(session, actor.id, actor=actor, token=token, proof=Proof.CODE, client=client)


def remove_app(actor: Actor, *, keep_session: str) -> None:
    """Stop using the app of the person who acts. Every other session of theirs ends.

    Raises:
        NoSecondFactor: there is no app.
        SecondFactorRequired: it is the last second factor, and the firm requires one.
    """
    assert actor.id is not None
    with transaction() as session:
        lock_user(session, actor.id)
        had_app = factors.get_factors(session, actor.id).app
        authenticators.forget(session, actor.id)
        if not had_app:
            raise NoSecondFactor("There is no app.")
        second_factor.removed(session, actor.id, keep_session=keep_session)
        trail.record(session, Action.AUTHENTICATOR_REMOVED, actor=actor, subject=actor.name)
        notify(session, Notice.APP_REMOVED, user_id=actor.id, actor=actor)


def make_codes_anew(actor: Actor) -> list[str]:
    """Make the codes of the person who acts anew, and return them: nobody can show them again.

    Raises:
        NoSecondFactor: there is nothing that they would stand in for.
    """
    assert actor.id is not None
    with transaction() as session:
        lock_user(session, actor.id)
        if not factors.get_factors(session, actor.id).has_second:
            raise NoSecondFactor("There is no second factor.")
        notify(session, Notice.RECOVERY_CODES_MADE, user_id=actor.id, actor=actor)
        return recovery.make(session, actor.id, actor=actor)


def show_second_proof(
    auth_session: AuthSession, typed: str, *, proof: Proof, token: str, client: ClientInfo
) -> Opened | None:
    """Open the half-open session with this token by a code; None when the code is wrong or was used.

    Args:
        holder: of the session.
        typed: the code.
        proof: which kind of code it is: of the app, or a recovery code.
        token: of the session.
        client: the browser.

    Raises:
        TooManyAttempts: this account or this address has to wait.
        SessionExpired: the session has ended meanwhile.
    """
    begin_attempt(auth_session.user.email, address=client.address, device=client.device)
    with transaction() as session:
        if _USE[proof](session, auth_session.user.id, typed):
            opened = complete_sign_in(session, token, proof, client=client)
            if opened is None:
                raise SessionExpired("This sign-in has ended.")  # and the code is not used up
            return opened
    record_failure(auth_session.user.email, address=client.address, proof=proof)
    return None


def confirm_again(person: User, password: str, code: str, *, token: str, client: ClientInfo) -> Opened | None:
    """Take note that whoever holds a session has just shown the password again, and a code where there is an app.

    None when either is wrong. Whoever has a passkey and no app shows that instead: the password alone is not enough.

    Raises:
        PasswordsOff: nobody comes in by a password here.
        TooManyAttempts: this account or this address has to wait.
    """
    need_passwords()
    attempt = begin_attempt(person.email, address=client.address, device=client.device)
    if not verify_password(password, person.password):
        record_failure(person.email, address=client.address, proof=Proof.PASSWORD)
        return None
    with transaction() as session:
        has_second = factors.get_factors(session, person.id).has_second
        if not has_second or authenticators.use_code(session, person.id, code):
            clear_failures(session, attempt, person.email, client=client)
            return confirm(session, token)
    record_failure(person.email, address=client.address, proof=Proof.CODE)
    return None


def reset_second_factor(person_id: int, *, actor: Actor) -> User:
    """Take away someone's app, passkeys and recovery codes, end that person's sessions, and return who it is.

    Raises:
        UserNotFound: there is no such person.
    """
    with transaction() as session:
        person = users.get_user(session, person_id)
        lock_user(session, person_id)
        authenticators.forget(session, person_id)
        _FORGET_PASSKEYS.run(session.connection(), user_id=person_id)
        recovery.forget(session, person_id)
        sessions.end_sessions_of_user(session, person_id)
        trail.record(session, Action.SECOND_FACTOR_RESET, actor=actor, subject=person.name)
        notify(session, Notice.SECOND_FACTOR_RESET, user_id=person_id, actor=actor)
        session.refresh(person)  # whoever had nothing but passkeys has to be invited again
        return person


def firm_rule(reader_id: int) -> Rule:
    """Return the firm's rule, and what it means for whom."""
    return Rule(
        second_factor.is_required(db.session()),
        _WITHOUT.rows(db.session.connection())[0][0],
        factors.get_factors(db.session(), reader_id).has_second,
    )


def require_second_factor(*, required: bool, actor: Actor) -> None:
    """Require a second factor of everyone, or no longer.

    Who is signed in by one factor is led to the second one, or to setting one up, at the next click.
    """
    with transaction() as session:
        if not _SET_REQUIRED.run(session.connection(), required=required):
            return
        if required:
            _LEAD_TO_SECOND.run(session.connection(), now=to_stamp(utc_now()))
        action = Action.SECOND_FACTOR_REQUIRED if required else Action.SECOND_FACTOR_OPTIONAL
        trail.record(session, action, actor=actor)

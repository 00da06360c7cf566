"""Set up and remove authenticator apps, use codes, reset a second factor, and change the firm's rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sqlalchemy import case, delete, exists, func, not_, or_, select, update
from sqlalchemy.orm import Session

from alma_leads.accounts.core import factors, sessions
from alma_leads.accounts.core.emails import Notice, notify
from alma_leads.accounts.core.errors import NoSecondFactor, SessionExpired
from alma_leads.accounts.core.factors import Factors
from alma_leads.accounts.core.models import Authenticator, Firm, Passkey, SessionStage, User, UserSession
from alma_leads.accounts.core.password_rule import need_passwords
from alma_leads.accounts.core.passwords import verify_password
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.sessions import AuthSession, ClientInfo
from alma_leads.accounts.core.users import HAS_APP, HAS_PASSKEY, lock_user
from alma_leads.accounts.second_factor import authenticators, recovery, second_factor
from alma_leads.accounts.second_factor.authenticators import AppSetup
from alma_leads.accounts.second_factor.second_factor import Added
from alma_leads.accounts.sign_in.sign_in_service import (
    Opened,
    begin_attempt,
    clear_failures,
    complete_sign_in,
    confirm,
    record_failure,
)
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import count_changed, transaction

# What checks each kind of code, given a user's id and what was typed.
_USE_CODE: Final[dict[Proof, Callable[[Session, int, str], bool]]] = {
    Proof.CODE: authenticators.use_code,
    Proof.RECOVERY_CODE: recovery.use_code,
}
# Proofs of a session that was opened with one factor.
_ONE_FACTOR = (Proof.PASSWORD, Proof.LINK, Proof.SSO)


class Rule(NamedTuple):
    """Whether everyone needs a second factor, how many active users have none, and whether the reader has one."""

    required: bool
    without: int
    reader_has_one: bool


def own_factors(user_id: int) -> tuple[Factors, bool]:
    """Return which credentials a user has, and whether the firm requires a second factor."""
    return factors.get_factors(db.session(), user_id), second_factor.is_required(db.session())


def begin_app(actor: Actor) -> str:
    """Start to set up an authenticator app for the acting user, and return the id of the setup."""
    assert actor.id is not None
    with transaction() as session:
        return authenticators.begin_setup(session, actor.id, now=utc_now())


def find_app_setup(setup_id: str, *, user_id: int, email: str) -> AppSetup | None:
    """Return what the app that is being set up needs, or None if no such setup is in progress."""
    return authenticators.find_setup(db.session(), setup_id, user_id=user_id, email=email)


def confirm_app(setup_id: str, typed: str, *, actor: Actor, token: str, client: ClientInfo) -> Added | None:
    """Replace the acting user's app by the new one; None when that does not show the right code.

    Args:
        setup_id: from `begin_app`.
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
        if not authenticators.confirm_setup(session, setup_id, user_id=actor.id, typed=typed, now=utc_now()):
            return None
        trail.record(session, Action.AUTHENTICATOR_ADDED, actor=actor, subject=actor.name)
        return second_factor.after_adding(session, actor.id, actor=actor, token=token, proof=Proof.CODE, client=client)


def remove_app(actor: Actor, *, keep_session: str) -> None:
    """Remove the app of the acting user, and end the user's other sessions.

    Raises:
        NoSecondFactor: there is no app.
        SecondFactorRequired: it is the last second factor, and the firm requires one.
    """
    assert actor.id is not None
    with transaction() as session:
        lock_user(session, actor.id)
        had_app = factors.get_factors(session, actor.id).app
        authenticators.delete_apps(session, actor.id)
        if not had_app:
            raise NoSecondFactor("There is no app.")
        second_factor.after_removing(session, actor.id, keep_session=keep_session)
        trail.record(session, Action.AUTHENTICATOR_REMOVED, actor=actor, subject=actor.name)
        notify(session, Notice.APP_REMOVED, user_id=actor.id, actor=actor)


def replace_recovery_codes(actor: Actor) -> list[str]:
    """Create new recovery codes for the acting user, and return them: they are shown once.

    Raises:
        NoSecondFactor: there is no second factor that they could replace.
    """
    assert actor.id is not None
    with transaction() as session:
        lock_user(session, actor.id)
        if not factors.get_factors(session, actor.id).has_second:
            raise NoSecondFactor("There is no second factor.")
        notify(session, Notice.RECOVERY_CODES_MADE, user_id=actor.id, actor=actor)
        return recovery.create_codes(session, actor.id, actor=actor)


def sign_in_with_code(
    auth_session: AuthSession, typed: str, *, proof: Proof, token: str, client: ClientInfo
) -> Opened | None:
    """Open a half-open session with a code; None when the code is wrong or was used.

    Args:
        auth_session: the half-open session.
        typed: the code.
        proof: the kind of code: of the app, or a recovery code.
        token: of the session.
        client: the browser.

    Raises:
        TooManyAttempts: this account or this address has to wait.
        SessionExpired: the session has ended meanwhile.
    """
    begin_attempt(auth_session.user.email, address=client.address, device=client.device)
    with transaction() as session:
        if _USE_CODE[proof](session, auth_session.user.id, typed):
            opened = complete_sign_in(session, token, proof, client=client)
            if opened is None:
                raise SessionExpired("This sign-in has ended.")  # which leaves the code unused
            return opened
    record_failure(auth_session.user.email, address=client.address, proof=proof)
    return None


def confirm_again(user: User, password: str, code: str, *, token: str, client: ClientInfo) -> Opened | None:
    """Record that a user has just shown the password again, and a code if they have an app.

    None when either is wrong. A user with a passkey and no app shows that instead: the password alone is not enough.

    Raises:
        PasswordsOff: nobody signs in with a password here.
        TooManyAttempts: this account or this address has to wait.
    """
    need_passwords()
    attempt = begin_attempt(user.email, address=client.address, device=client.device)
    if not verify_password(password, user.password):
        record_failure(user.email, address=client.address, proof=Proof.PASSWORD)
        return None
    with transaction() as session:
        has_second = factors.get_factors(session, user.id).has_second
        if not has_second or authenticators.use_code(session, user.id, code):
            clear_failures(session, attempt, user.email, client=client)
            return confirm(session, token)
    record_failure(user.email, address=client.address, proof=Proof.CODE)
    return None


def reset_second_factor(user_id: int, *, actor: Actor) -> User:
    """Delete the app, passkeys and recovery codes of a user, end the user's sessions, and return the user.

    Raises:
        UserNotFound: there is no such user.
    """
    with transaction() as session:
        user = lock_user(session, user_id)
        authenticators.delete_apps(session, user_id)
        session.execute(delete(Passkey).where(Passkey.user_id == user_id))
        recovery.delete_codes(session, user_id)
        sessions.end_sessions_of_user(session, user_id)
        trail.record(session, Action.SECOND_FACTOR_RESET, actor=actor, subject=user.name)
        notify(session, Notice.SECOND_FACTOR_RESET, user_id=user_id, actor=actor)
        session.refresh(user)  # without other credentials, the invitation is pending again
        return user


def firm_rule(reader_id: int) -> Rule:
    """Return the firm's rule, and whom it affects."""
    session = db.session()
    without = select(func.count(User.id)).where(User.active, not_(HAS_APP), not_(HAS_PASSKEY))
    return Rule(
        second_factor.is_required(session),
        session.scalars(without).one(),
        factors.get_factors(session, reader_id).has_second,
    )


def require_second_factor(*, required: bool, actor: Actor) -> None:
    """Require a second factor of everyone, or stop requiring it.

    Users who signed in with one factor are asked for the second, or asked to set one up, at their next click.
    """
    with transaction() as session:
        changed = update(Firm).where(Firm.second_factor_required != required).values(second_factor_required=required)
        if not count_changed(session, changed):
            return
        if required:
            _ask_for_second_factor(session)
        action = Action.SECOND_FACTOR_REQUIRED if required else Action.SECOND_FACTOR_OPTIONAL
        trail.record(session, action, actor=actor)


def _ask_for_second_factor(session: Session) -> None:
    """Move sessions that were opened with one factor back to the step of the second. The time for it starts now."""
    has_app = exists().where(Authenticator.user_id == UserSession.user_id, Authenticator.confirmed_at.is_not(None))
    has_passkey = exists().where(Passkey.user_id == UserSession.user_id)
    stage = case((or_(has_app, has_passkey), SessionStage.SECOND_FACTOR), else_=SessionStage.ENROLMENT)
    session.execute(
        update(UserSession)
        .where(UserSession.stage == SessionStage.OPEN, UserSession.proofs.in_(_ONE_FACTOR))
        .values(created_at=utc_now(), stage=stage)
        .execution_options(synchronize_session=False)
    )

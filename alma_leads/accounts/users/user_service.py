"""Use cases of users: listed, invited, given another role, deactivated and activated. Each is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, case, func, or_, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core import emails, sessions, users
from alma_leads.accounts.core.emails import Notice
from alma_leads.accounts.core.errors import (
    AccountDeactivated,
    AlreadyActivated,
    InvitationPending,
    UserExists,
    UserNotFound,
)
from alma_leads.accounts.core.models import LinkPurpose, OneTimeLink, Role, User
from alma_leads.accounts.core.users import HAS_APP, HAS_PASSKEY, HAS_WORK_ACCOUNT, lock_user
from alma_leads.audit import trail
from alma_leads.audit.models import AuditEvent
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.email_address import normalise_email
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction

_STATE = case(
    (User.is_activated & User.active, "active"),
    (User.is_activated, "deactivated"),
    (User.active, "invited"),
    else_="revoked",
)
_SIGNED_IN_AT = (
    select(AuditEvent.at)
    .where(AuditEvent.actor_kind == "user", AuditEvent.actor_id == User.id, AuditEvent.action == Action.SIGNED_IN)
    .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
    .limit(1)
    .scalar_subquery()
)


class Invitation(NamedTuple):
    """An invitation that was sent: to whom, the token of its link, and whether it replaces an earlier one."""

    user: User
    token: str
    is_renewed: bool


def list_users() -> Sequence[Row[*tuple[Any, ...]]]:
    """Return everyone of the firm, by name: see `get_user`."""
    return db.session.execute(_rows().order_by(User.name, User.id)).all()


def get_user(user_id: int) -> Row[*tuple[Any, ...]]:
    """Return a user as listed: who it is, `state`, credentials, and when they last signed in.

    `state` is "active", "deactivated", "invited", or "revoked" for an invitation that was withdrawn. `invited_until` is
    set while an invitation works.

    Raises:
        UserNotFound: there is none with this id.
    """
    row = db.session.execute(_rows().where(User.id == user_id)).one_or_none()
    if row is None:
        raise UserNotFound(f"number {user_id}")
    return row


def get_user_by_email(email: str) -> User:
    """Return the user with an email address.

    Raises:
        BadEmailAddress: it cannot be an address.
        UserNotFound: nobody has it.
    """
    return users.get_user_by_email(db.session(), email)


def invite(email: str, *, name: str, role: Role, actor: Actor) -> Invitation:
    """Create a user, and enqueue the email with the link where they choose a password.

    If they were invited before and the invitation is pending, name and role are replaced and a new link is created.

    Raises:
        BadEmailAddress: it cannot be an address.
        UserExists: someone has it who was activated, deactivated or not.
    """
    normalised = normalise_email(email)
    with transaction() as session:
        earlier = users.find_user_by_email(session, normalised)
        if earlier is None:
            user = users.create_user(session, normalised, name=name, role=role, password=None)
            trail.record(session, Action.PERSON_ADDED, actor=actor, subject=name, role=role.value)
        else:
            user = lock_user(session, earlier.id)
            if user.is_activated:
                raise UserExists(normalised)
            user.name, user.role, user.active = name, role, True
        token = _send_invitation(session, user, actor)
        return Invitation(user, token, is_renewed=earlier is not None)


def invite_again(user_id: int, *, actor: Actor) -> User:
    """Enqueue a new invitation to someone whose invitation is pending; the earlier one stops working.

    Raises:
        UserNotFound: there is no such user.
        AccountDeactivated: the invitation was revoked.
        AlreadyActivated: the user can sign in.
    """
    with transaction() as session:
        user = _lock_active_user(session, user_id)
        if user.is_activated:
            raise AlreadyActivated(user.email)
        _send_invitation(session, user, actor)
        return user


def revoke_invitation(user_id: int, *, actor: Actor) -> User:
    """Revoke an invitation, and deactivate the user. They can be invited again.

    Raises:
        UserNotFound: there is no such user.
        AlreadyActivated: the user can sign in, and can only be deactivated.
    """
    with transaction() as session:
        user = lock_user(session, user_id)
        if user.is_activated:
            raise AlreadyActivated(user.email)
        emails.revoke_links(session, user_id=user_id)
        user.active = False
        trail.record(session, Action.INVITATION_REVOKED, actor=actor, subject=user.name)
        return user


def send_reset_link(user_id: int, *, actor: Actor) -> User:
    """Enqueue an email with a link to choose a new password. The current password works until then.

    Raises:
        UserNotFound: there is no such user.
        AccountDeactivated: the user was deactivated.
        InvitationPending: the user has an invitation instead.
    """
    with transaction() as session:
        user = _lock_active_user(session, user_id)
        if not user.is_activated:
            raise InvitationPending(user.email)
        emails.send_link(session, LinkPurpose.RESET, user_id=user_id, recipient=user.email, by=actor.name)
        trail.record(session, Action.RESET_LINK_SENT, actor=actor, subject=user.name)
        return user


def change_role(user_id: int, *, role: Role, actor: Actor) -> tuple[User, Role]:
    """Give a user another role from their next request on, and return the user and the old role.

    Raises:
        UserNotFound: there is no such user.
        LastAdministrator: nobody could manage the application.
    """
    with transaction() as session:
        if role is not Role.ADMINISTRATOR:
            users.ensure_another_administrator(session, users.get_user(session, user_id))
        user = lock_user(session, user_id)
        old, user.role = user.role, role
        if old is not role:
            trail.record(
                session.connection(), Action.ROLE_CHANGED, actor=actor, subject=user.name, old=old.value, new=role.value
            )
            if user.active and user.is_activated:
                emails.notify(session, Notice.ROLE_CHANGED, user_id=user.id, actor=actor)
        return user, old


def deactivate(user_id: int, *, actor: Actor) -> User:
    """Deactivate a user: sessions and links end at once, new leads of their prospects go to the helpdesk.

    Raises:
        UserNotFound: there is no such user.
        LastAdministrator: nobody could manage the application.
    """
    with transaction() as session:
        users.ensure_another_administrator(session, users.get_user(session, user_id))
        user = lock_user(session, user_id)
        emails.revoke_links(session, user_id=user_id)
        if user.active:
            user.active = False
            trail.record(session, Action.PERSON_DEACTIVATED, actor=actor, subject=user.name)
        sessions.end_sessions_of_user(session, user_id)
        return user


def activate(user_id: int, *, actor: Actor) -> User:
    """Activate a user again, who then signs in as before.

    Raises:
        UserNotFound: there is no such user.
        InvitationPending: the invitation was revoked. Invite the user again.
    """
    with transaction() as session:
        user = lock_user(session, user_id)
        if not user.is_activated:
            raise InvitationPending(user.email)
        if not user.active:
            user.active = True
            trail.record(session, Action.PERSON_ACTIVATED, actor=actor, subject=user.name)
        return user


def _rows() -> Select[*tuple[Any, ...]]:
    invited_until = select(func.max(OneTimeLink.expires_at)).where(
        OneTimeLink.user_id == User.id,
        OneTimeLink.purpose == LinkPurpose.INVITATION,
        OneTimeLink.used_at.is_(None),
        OneTimeLink.expires_at > utc_now(),
    )
    return select(
        User.id,
        User.email,
        User.name,
        User.role,
        User.active,
        _STATE.label("state"),
        User.password.is_not(None).label("has_password"),
        HAS_APP.label("has_app"),
        HAS_PASSKEY.label("has_passkey"),
        HAS_WORK_ACCOUNT.label("has_work_account"),
        or_(HAS_APP, HAS_PASSKEY).label("has_second_factor"),
        _SIGNED_IN_AT.label("signed_in_at"),
        invited_until.scalar_subquery().label("invited_until"),
    )


def _send_invitation(session: Session, user: User, actor: Actor) -> str:
    by = actor.name if actor.kind == "user" else ""
    token = emails.send_link(session, LinkPurpose.INVITATION, user_id=user.id, recipient=user.email, by=by)
    trail.record(session, Action.INVITATION_SENT, actor=actor, subject=user.name)
    return token


def _lock_active_user(session: Session, user_id: int) -> User:
    user = lock_user(session, user_id)
    if not user.active:
        raise AccountDeactivated(user.email)
    return user

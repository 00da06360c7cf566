"""Use cases of passwords: chosen through a one-time link, and changed."""

from __future__ import annotations

from sqlalchemy import Row

from alma_leads.accounts.core import emails, links, sessions, users
from alma_leads.accounts.core.emails import Notice
from alma_leads.accounts.core.errors import LinkExpired
from alma_leads.accounts.core.models import LinkPurpose, User
from alma_leads.accounts.core.password_rule import need_passwords
from alma_leads.accounts.core.passwords import check_password, hash_password
from alma_leads.accounts.core.users import lock_user
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction

# Links that let a user choose a password.
CHOOSING = (LinkPurpose.INVITATION, LinkPurpose.RESET)


def get_link(token: str, purpose: LinkPurpose) -> Row[int | None, str | None, str, str]:
    """Return `user_id`, `new_email`, `email` and `name` of a link. It is not used up.

    Raises:
        LinkExpired: it no longer works.
    """
    return links.get_link(db.session(), token, purpose, now=utc_now())


def choose_password(token: str, purpose: LinkPurpose, *, password: str, address: str) -> int:
    """Set a password through its one-time link, end the user's sessions, and return the user's id.

    Args:
        token: the link's.
        purpose: an invitation, or a reset.
        password: as typed.
        address: network address of the browser.

    Raises:
        PasswordsOff: nobody has one.
        WeakPassword: the password cannot be used; the link still works.
        LinkExpired: it no longer works.
    """
    need_passwords()
    link = get_link(token, purpose)
    if link.user_id is None:
        raise LinkExpired("This link is for nobody.")
    hashed = hash_password(check_password(password, about=(link.email, link.name)))
    with transaction() as session:
        user = lock_user(session, link.user_id)  # before the link, as whoever revokes links does
        links.use_link(session, token, purpose, now=utc_now())
        _set_password(user, hashed)
        for other in CHOOSING:
            emails.revoke_link(session, other, user_id=user.id)
        sessions.end_sessions_of_user(session, user.id)
        actor = Actor("user", user.id, user.name, address)
        trail.record(session, Action.PASSWORD_CHANGED, actor=actor, subject=user.name, by=purpose.value)
        if purpose is LinkPurpose.RESET:
            emails.notify(session, Notice.PASSWORD_CHANGED, user_id=user.id, actor=actor)
        return user.id


def change_password(actor: Actor, *, password: str, keep_session: str) -> None:
    """Set another password for the user who acts, and end all of their other sessions.

    Raises:
        PasswordsOff: nobody has one.
        WeakPassword: the password cannot be used.
    """
    need_passwords()
    assert actor.id is not None
    about = users.get_user(db.session(), actor.id)
    hashed = hash_password(check_password(password, about=(about.email, about.name)))
    with transaction() as session:
        user = lock_user(session, actor.id)
        _set_password(user, hashed)
        emails.revoke_link(session, LinkPurpose.RESET, user_id=user.id)
        sessions.end_sessions_of_user(session, user.id, keep=keep_session)
        trail.record(session, Action.PASSWORD_CHANGED, actor=actor, subject=actor.name, by="account")
        emails.notify(session, Notice.PASSWORD_CHANGED, user_id=user.id, actor=actor)


def _set_password(user: User, hashed: str) -> None:
    user.password, user.password_changed_at = hashed, utc_now()

"""Use cases of passwords: chosen through a one-time link, and changed."""

from __future__ import annotations

from alma_leads.accounts.core import links, sessions
from alma_leads.accounts.core.emails import Notice, take_back, tell
from alma_leads.accounts.core.errors import LinkGone
from alma_leads.accounts.core.links import Link
from alma_leads.accounts.core.models import LinkPurpose
from alma_leads.accounts.core.password_rule import need_passwords
from alma_leads.accounts.core.passwords import check_password, hash_password
from alma_leads.accounts.core.people import hold
from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db

_ABOUT = Sql("SELECT email, name FROM users WHERE id = :id")
_SET_PASSWORD = Sql("UPDATE users SET password = :password, password_changed_at = :now WHERE id = :id")

# Through either of these someone chooses a password.
CHOOSING = (LinkPurpose.INVITATION, LinkPurpose.RESET)


def look_at_link(token: str, purpose: LinkPurpose) -> Link:
    """Return whom a link is for. It stays usable.

    Raises:
        LinkGone: it does not work any more.
    """
    with reading(db.engine) as connection:
        return links.look(connection, token, purpose, now=utc_now())


def choose_password(token: str, purpose: LinkPurpose, *, password: str, address: str) -> int:
    """Set a password through its one-time link, end the person's sessions, and return the person's number.

    Args:
        token: the link's.
        purpose: an invitation, or a reset.
        password: as typed.
        address: network address of whoever does it.

    Raises:
        PasswordsOff: nobody has one.
        WeakPassword: the password cannot be used; the link still works.
        LinkGone: it does not work any more.
    """
    need_passwords()
    link = look_at_link(token, purpose)
    name = link.name or ""
    hashed = hash_password(check_password(password, about=(link.email or "", name)))
    with transaction_on(db.engine) as connection:
        if link.user_id is not None:
            hold(connection, link.user_id)  # before the link, like whoever takes links back
        user_id = links.use(connection, token, purpose, now=utc_now()).user_id
        if user_id is None:
            raise LinkGone("This link is for nobody.")
        _SET_PASSWORD.run(connection, id=user_id, password=hashed, now=to_stamp(utc_now()))
        for other in CHOOSING:
            take_back(connection, other, user_id=user_id)
        sessions.end_all(connection, user_id)
        who = Actor("user", user_id, name, address)
        trail.record(connection, Action.PASSWORD_CHANGED, actor=who, subject=name, by=purpose.value)
        if purpose is LinkPurpose.RESET:
            tell(connection, Notice.PASSWORD_CHANGED, user_id=user_id, actor=who)
        return user_id


def change_password(actor: Actor, *, password: str, keep_session: str) -> None:
    """Set another password for the person who acts, and end all of that person's other sessions.

    Raises:
        PasswordsOff: nobody has one.
        WeakPassword: the password cannot be used.
    """
    need_passwords()
    with reading(db.engine) as connection:
        about = _ABOUT.rows(connection, id=actor.id)[0]
    hashed = hash_password(check_password(password, about=about))
    assert actor.id is not None
    with transaction_on(db.engine) as connection:
        _SET_PASSWORD.run(connection, id=actor.id, password=hashed, now=to_stamp(utc_now()))
        take_back(connection, LinkPurpose.RESET, user_id=actor.id)
        sessions.end_all(connection, actor.id, keep=keep_session)
        trail.record(connection, Action.PASSWORD_CHANGED, actor=actor, subject=actor.name, by="account")
        tell(connection, Notice.PASSWORD_CHANGED, user_id=actor.id, actor=actor)

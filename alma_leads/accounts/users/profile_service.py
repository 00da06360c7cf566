"""Use cases of one's own account: name, email address, and how the desk works for its reader."""

from __future__ import annotations

from sqlalchemy import Connection

from alma_leads.accounts.core import emails, links, people, sessions
from alma_leads.accounts.core.emails import Notice
from alma_leads.accounts.core.errors import LinkGone, PersonExists, PersonNotFound
from alma_leads.accounts.core.models import LinkPurpose
from alma_leads.accounts.core.people import check_name, hold
from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import transaction_on
from alma_leads.email_address import normalise_email
from alma_leads.extensions import db

_SET_PREFERENCES = Sql("""
    UPDATE users SET time_zone = :time_zone, theme = :theme, single_key_shortcuts = :single_key_shortcuts WHERE id = :id
""")
_SET_NAME = Sql("UPDATE users SET name = :name WHERE id = :id AND name <> :name")
_SET_EMAIL = Sql("""
    UPDATE users SET email = :email WHERE id = :id AND NOT EXISTS (SELECT 1 FROM users o WHERE o.email = :email)
""")


def set_preferences(user_id: int, *, time_zone: str, theme: str, single_key_shortcuts: bool) -> None:
    """Keep how the desk works for someone."""
    with transaction_on(db.engine) as connection:
        _SET_PREFERENCES.run(
            connection, id=user_id, time_zone=time_zone, theme=theme, single_key_shortcuts=single_key_shortcuts
        )


def change_name(actor: Actor, name: str) -> None:
    """Give the person who acts another name. What was done under the old one keeps it.

    Raises:
        BadName: it cannot be one.
    """
    name = check_name(name)
    with transaction_on(db.engine) as connection:
        if _SET_NAME.run(connection, id=actor.id, name=name):
            trail.record(connection, Action.NAME_CHANGED, actor=actor, subject=name, old=actor.name, new=name)


def ask_for_email_change(actor: Actor, email: str) -> str:
    """Promise the e-mail with the link that confirms a new address, and return that address. Nothing changes yet.

    Raises:
        BadEmailAddress: it cannot be one.
        PersonExists: someone has it, perhaps the same person.
    """
    assert actor.id is not None
    normalised = normalise_email(email)
    with transaction_on(db.engine) as connection:
        hold(connection, actor.id)
        if _is_taken(connection, normalised):
            raise PersonExists(normalised)
        emails.send_link(connection, LinkPurpose.CHANGE_EMAIL, user_id=actor.id, recipient=normalised)
        trail.record(connection, Action.EMAIL_CHANGE_ASKED, actor=actor, subject=actor.name, new=normalised)
    return normalised


def change_email(token: str, *, actor: Actor, keep_session: str) -> None:
    """Use the new address from now on; the old one is told. Every other session ends, and links sent to the old one.

    Raises:
        LinkGone: the link does not work any more, or is about another person.
        PersonExists: someone has got the address meanwhile; the link still works.
    """
    assert actor.id is not None
    with transaction_on(db.engine) as connection:
        people.stand_in_line(connection)
        hold(connection, actor.id)
        old = people.by_id(connection, actor.id).email
        used = links.use(connection, token, LinkPurpose.CHANGE_EMAIL, now=utc_now())
        if used.user_id != actor.id or used.new_email is None:
            raise LinkGone("This link is about somebody else.")
        if not _SET_EMAIL.run(connection, id=actor.id, email=used.new_email):
            raise PersonExists(used.new_email)
        emails.take_back_all(connection, user_id=actor.id)
        sessions.end_all(connection, actor.id, keep=keep_session)
        trail.record(connection, Action.EMAIL_CHANGED, actor=actor, subject=actor.name, old=old, new=used.new_email)
        emails.tell(connection, Notice.EMAIL_CHANGED, user_id=actor.id, actor=actor, recipient=old)


def _is_taken(connection: Connection, email: str) -> bool:
    try:
        people.by_email(connection, email)
    except PersonNotFound:
        return False
    return True

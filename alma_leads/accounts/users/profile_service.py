"""Use cases of a user's own account: name, email address, and how the desk works for them."""

from __future__ import annotations

from alma_leads.accounts.core import emails, links, sessions, users
from alma_leads.accounts.core.emails import Notice
from alma_leads.accounts.core.errors import LinkExpired, UserExists
from alma_leads.accounts.core.models import LinkPurpose
from alma_leads.accounts.core.users import check_name, lock_user
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.email_address import normalise_email
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction


def set_preferences(user_id: int, *, time_zone: str, theme: str, single_key_shortcuts: bool) -> None:
    """Store how the desk works for a user."""
    with transaction() as session:
        user = users.get_user(session, user_id)
        user.time_zone, user.theme, user.single_key_shortcuts = time_zone, theme, single_key_shortcuts


def change_name(actor: Actor, name: str) -> None:
    """Change the name of the user who acts. What was done under the old one keeps it.

    Raises:
        BadName: it cannot be a name.
    """
    assert actor.id is not None
    name = check_name(name)
    with transaction() as session:
        user = lock_user(session, actor.id)
        if user.name != name:
            user.name = name
            trail.record(session, Action.NAME_CHANGED, actor=actor, subject=name, old=actor.name, new=name)


def request_email_change(actor: Actor, email: str) -> str:
    """Enqueue the email with the link that confirms a new address, and return that address. Nothing changes yet.

    Raises:
        BadEmailAddress: it cannot be an address.
        UserExists: someone has it, perhaps the same user.
    """
    assert actor.id is not None
    normalised = normalise_email(email)
    with transaction() as session:
        lock_user(session, actor.id)
        if users.find_user_by_email(session, normalised) is not None:
            raise UserExists(normalised)
        emails.send_link(session, LinkPurpose.CHANGE_EMAIL, user_id=actor.id, recipient=normalised)
        trail.record(session, Action.EMAIL_CHANGE_ASKED, actor=actor, subject=actor.name, new=normalised)
    return normalised


def change_email(token: str, *, actor: Actor, keep_session: str) -> None:
    """Change the address and tell the old one. Every other session and every link sent to the old address ends.

    Raises:
        LinkExpired: the link no longer works, or is about another user.
        UserExists: someone has got the address in the meantime; the link still works.
    """
    assert actor.id is not None
    with transaction() as session:
        users.lock_users(session)
        user = lock_user(session, actor.id)
        link = links.use_link(session, token, LinkPurpose.CHANGE_EMAIL, now=utc_now())
        if link.user_id != user.id or link.new_email is None:
            raise LinkExpired("This link is about somebody else.")
        if users.find_user_by_email(session, link.new_email) is not None:
            raise UserExists(link.new_email)
        old, user.email = user.email, link.new_email
        emails.revoke_links(session, user_id=user.id)
        sessions.end_sessions_of_user(session, user.id, keep=keep_session)
        trail.record(
            session.connection(), Action.EMAIL_CHANGED, actor=actor, subject=actor.name, old=old, new=user.email
        )
        emails.notify(session, Notice.EMAIL_CHANGED, user_id=user.id, actor=actor, recipient=old)

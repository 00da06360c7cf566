"""Emails to users, put into the outbox in the transaction of the change that they are about.

A caller in a request wakes a worker afterwards; otherwise the next sweep sends them.
"""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy.orm import Session

from alma_leads.accounts.core import links
from alma_leads.accounts.core.models import LinkPurpose, User
from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import settings
from alma_leads.database.base import utc_now
from alma_leads.outbox.message import NewMessage
from alma_leads.outbox.queue import enqueue, withdraw

INVITATION = "invitation"
PASSWORD_RESET = "password_reset"  # noqa: S105 -- a name, not a secret
EMAIL_CHANGE = "email_change"
ACCOUNT_NOTICE = "account_notice"
SENDER_NAME = "Alma"

# The email that carries the link of each purpose, and the start of the link's path.
_CARRIES = {
    LinkPurpose.INVITATION: (INVITATION, "invitation"),
    LinkPurpose.RESET: (PASSWORD_RESET, "reset"),
    LinkPurpose.CHANGE_EMAIL: (EMAIL_CHANGE, "change-email"),
}


class Notice(enum.StrEnum):
    """What a user is told about, since someone else may have done it in their name: one sentence each."""

    PASSWORD_CHANGED = "Your password was changed."  # noqa: S105 -- a sentence, not a secret
    EMAIL_CHANGED = "The email address of your account was changed."
    ROLE_CHANGED = "Your role was changed."
    APP_ADDED = "An authenticator app was set up for your account."
    APP_REMOVED = "The authenticator app was removed from your account."
    PASSKEY_ADDED = "A passkey was added to your account."
    PASSKEY_REMOVED = "A passkey was removed from your account."
    WORK_ACCOUNT_LINKED = "You signed in with your work account for the first time. It opens your account from now on."
    RECOVERY_CODES_MADE = "New recovery codes were made for your account. Earlier ones no longer work."
    SECOND_FACTOR_RESET = "Your second factor was reset: app, passkeys and recovery codes no longer work."


def correlation(user_id: int) -> str:
    """Return the correlation of the emails to a user in the outbox."""
    return f"person:{user_id}"


def address_of_link(purpose: LinkPurpose, token: str) -> str:
    """Return the address that a link leads to."""
    return f"{settings().PUBLIC_URL}/{_CARRIES[purpose][1]}/{token}"


def send_link(session: Session, purpose: LinkPurpose, *, user_id: int, recipient: str, by: str = "") -> str:
    """Create a one-time link, enqueue its email, and return its token. Earlier links for the same purpose stop working.

    Args:
        session: in a transaction of the caller.
        purpose: what the link does.
        user_id: for whom.
        recipient: where the email goes; for a change of address this is the new one.
        by: the name of who asked for it, "" when the user did.
    """
    revoke_link(session, purpose, user_id=user_id)
    now = utc_now()
    new_email = recipient if purpose is LinkPurpose.CHANGE_EMAIL else None
    token = links.create_link(session, purpose, user_id=user_id, now=now, new_email=new_email)
    message = NewMessage(
        _CARRIES[purpose][0],
        correlation=correlation(user_id),
        recipient=recipient,
        sender_name=SENDER_NAME,
        expires_at=now + links.LIFETIME,
        facts={
            "link": address_of_link(purpose, token),
            "by": by,
            "email": recipient,
            "passwords": passwords_are_on(),
        },
    )
    enqueue(session, message)
    return token


def revoke_link(session: Session, purpose: LinkPurpose, *, user_id: int) -> bool:
    """Delete a user's unused link, withdraw its email, and return whether there was a link."""
    there_was = links.revoke_link(session, purpose, user_id=user_id)
    withdraw(session, correlation=correlation(user_id), kind=_CARRIES[purpose][0])
    return there_was


def revoke_links(session: Session, *, user_id: int) -> None:
    """Delete every unused link of a user, and withdraw their emails."""
    for purpose in _CARRIES:
        revoke_link(session, purpose, user_id=user_id)


def notify(session: Session, notice: Notice, *, user_id: int, actor: Actor, recipient: str | None = None) -> None:
    """Enqueue an email that tells a user what was done to their account. Nothing in it lets anyone sign in.

    Args:
        session: in a transaction of the caller.
        notice: what was done.
        user_id: whose account.
        actor: who did it.
        recipient: where it goes, if not to the user's present address.
    """
    user = session.get_one(User, user_id)
    own = actor.kind == "user" and actor.id == user_id
    message = NewMessage(
        ACCOUNT_NOTICE,
        correlation=correlation(user_id),
        recipient=recipient or user.email,
        sender_name=SENDER_NAME,
        facts={"what": notice.value, "when": _in_words(utc_now()), "by": "" if own else actor.name},
    )
    enqueue(session, message)


def _in_words(moment: datetime) -> str:
    """Return "25 November 2026 at 08:40 UTC": its reader may be anywhere."""
    return f"{moment.day} {moment:%B %Y at %H:%M} UTC"

"""The e-mails to people of the firm, promised to the outbox in the transaction of what they tell of.

Who calls from a request wakes a worker afterwards; without that the next sweep sends them.
"""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import Connection

from alma_leads.accounts.core import links
from alma_leads.accounts.core.models import LinkPurpose
from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.actor import Actor
from alma_leads.database.base import utc_now
from alma_leads.database.raw import Sql
from alma_leads.extensions import settings
from alma_leads.outbox.composition import compose, promise
from alma_leads.outbox.queue import withdraw

INVITATION = "invitation"
PASSWORD_RESET = "password_reset"  # noqa: S105 -- a name, not a secret
EMAIL_CHANGE = "email_change"
ACCOUNT_NOTICE = "account_notice"
SENDER_NAME = "Alma"

# The e-mail that carries the link of each purpose, and the start of the link's path.
_CARRIES = {
    LinkPurpose.INVITATION: (INVITATION, "invitation"),
    LinkPurpose.RESET: (PASSWORD_RESET, "reset"),
    LinkPurpose.CHANGE_EMAIL: (EMAIL_CHANGE, "change-email"),
}
_ADDRESS = Sql("SELECT email FROM users WHERE id = :id")


class Notice(enum.StrEnum):
    """What a person is told of, since someone else may have done it in that person's name: one sentence each."""

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
    """Return the key under which the outbox knows the e-mails to a person."""
    return f"person:{user_id}"


def address_of_link(purpose: LinkPurpose, token: str) -> str:
    """Return the address that a link leads to."""
    return f"{settings().PUBLIC_URL}/{_CARRIES[purpose][1]}/{token}"


def send_link(connection: Connection, purpose: LinkPurpose, *, user_id: int, recipient: str, by: str = "") -> str:
    """Make a one-time link, promise the e-mail with it, and return its token. Earlier ones for the same stop working.

    Args:
        connection: in a transaction of the caller.
        purpose: what the link does.
        user_id: for whom.
        recipient: where the e-mail goes; for a change of address this is the new one.
        by: the name of who asked for it, "" when the person did.
    """
    take_back(connection, purpose, user_id=user_id)
    now = utc_now()
    new_email = recipient if purpose is LinkPurpose.CHANGE_EMAIL else None
    token = links.make(connection, purpose, user_id=user_id, now=now, new_email=new_email)
    message = compose(
        _CARRIES[purpose][0],
        correlation=correlation(user_id),
        recipient=recipient,
        sender_name=SENDER_NAME,
        expires_at=now + links.LIFETIME,
        link=address_of_link(purpose, token),
        by=by,
        email=recipient,
        passwords=passwords_are_on(),
    )
    promise(connection, message)
    return token


def take_back(connection: Connection, purpose: LinkPurpose, *, user_id: int) -> bool:
    """Make a person's unused link stop working, keep its e-mail from going out, and say whether there was a link."""
    there_was = links.retire(connection, purpose, user_id=user_id)
    withdraw(connection, correlation=correlation(user_id), kind=_CARRIES[purpose][0])
    return there_was


def take_back_all(connection: Connection, *, user_id: int) -> None:
    """Make every unused link of a person stop working."""
    for purpose in _CARRIES:
        take_back(connection, purpose, user_id=user_id)


def tell(connection: Connection, notice: Notice, *, user_id: int, actor: Actor, recipient: str | None = None) -> None:
    """Tell a person what was done to the account. Nothing in that e-mail lets anyone in.

    Args:
        connection: in a transaction of the caller.
        notice: what.
        user_id: whose account.
        actor: who did it.
        recipient: where it goes, if not to the person's present address.
    """
    row = _ADDRESS.row(connection, id=user_id)
    if row is None:
        return
    own = actor.kind == "user" and actor.id == user_id
    message = compose(
        ACCOUNT_NOTICE,
        correlation=correlation(user_id),
        recipient=recipient or row[0],
        sender_name=SENDER_NAME,
        what=notice.value,
        when=_in_words(utc_now()),
        by="" if own else actor.name,
    )
    promise(connection, message)


def _in_words(moment: datetime) -> str:
    """Return "25 November 2026 at 08:40 UTC": who reads it may be anywhere."""
    return f"{moment.day} {moment:%B %Y at %H:%M} UTC"

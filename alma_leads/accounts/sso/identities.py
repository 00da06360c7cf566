"""Which work account belongs to which user. Runs in its callers' transactions."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core import users
from alma_leads.accounts.core.emails import Notice, notify, revoke_link
from alma_leads.accounts.core.models import Identity, LinkPurpose, Role, User
from alma_leads.accounts.core.users import lock_user
from alma_leads.accounts.sign_in.refusals import Refusal, WorkAccountRefused
from alma_leads.accounts.sso.id_token import WorkAccount
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.email_address import BadEmailAddress, normalise_email
from alma_leads.database.base import utc_now
from alma_leads.database.session import count_changed
from alma_leads.database.upsert import insert


class Rules(NamedTuple):
    """Who may sign in with a work account: email domains, and the role of new users (None: by invitation only)."""

    domains: frozenset[str]
    role: Role | None


def find_user_id(session: Session, account: WorkAccount) -> int | None:
    """Return the id of the user with a work account, or None if nobody has signed in with it."""
    return session.scalar(
        select(Identity.user_id).where(Identity.issuer == account.issuer, Identity.subject == account.subject)
    )


def admit(session: Session, account: WorkAccount, *, rules: Rules, address: str) -> int:
    """Return the id of the user of a work account. On the first sign-in, link the user with its email, or create one.

    What identifies a work account is the provider's subject. The provider may give an email address to somebody else
    one day: it counts only on the first sign-in, and never links a second work account to a user.

    Raises:
        WorkAccountRefused: the user may not sign in.
        UserExists: a user with this address was created at the same time; try again.
    """
    user_id = find_user_id(session, account)
    if user_id is not None:
        return _active(users.get_user(session, user_id))
    email = _usable_email(account, rules)
    user = users.find_user_by_email(session, email) or _create_user(session, email, account, rules, address)
    user_id = _active(user)
    lock_user(session, user_id)  # if two accounts with one address arrive at once, one of them is the first
    another = select(Identity.id).where(
        Identity.issuer == account.issuer, Identity.user_id == user_id, Identity.subject != account.subject
    )
    if session.scalar(another.limit(1)) is not None:
        raise WorkAccountRefused(Refusal.ANOTHER_WORK_ACCOUNT, subject=user.name)
    was_activated = user.is_activated
    link = insert(Identity).values(
        user_id=user_id, issuer=account.issuer, subject=account.subject, created_at=utc_now()
    )
    session.execute(link.on_conflict_do_nothing(index_elements=[Identity.issuer, Identity.subject]))
    revoke_link(session, LinkPurpose.INVITATION, user_id=user_id)
    actor = Actor("user", user_id, user.name, address)
    trail.record(session, Action.IDENTITY_LINKED, actor=actor, subject=user.name, issuer=account.issuer)
    if was_activated:
        notify(session, Notice.WORK_ACCOUNT_LINKED, user_id=user_id, actor=actor)
    return user_id


def unlink(session: Session, user_id: int) -> int:
    """Delete a user's links to work accounts, and return how many there were."""
    return count_changed(session, delete(Identity).where(Identity.user_id == user_id))


def _create_user(session: Session, email: str, account: WorkAccount, rules: Rules, address: str) -> User:
    if rules.role is None:
        raise WorkAccountRefused(Refusal.NOT_INVITED)
    name = account.name[: users.MAX_NAME_LENGTH].strip() if account.name.isprintable() else ""
    name = name or users.name_from_email(email)
    user = users.create_user(session, email, name=name, role=rules.role, password=None)
    actor = Actor("user", user.id, name, address)
    trail.record(session, Action.PERSON_ADDED, actor=actor, subject=name, role=rules.role, by="sso")
    return user


def _active(user: User) -> int:
    if not user.active:
        raise WorkAccountRefused(Refusal.TURNED_OFF, subject=user.name)
    return user.id


def _usable_email(account: WorkAccount, rules: Rules) -> str:
    try:
        email = normalise_email(account.email)
    except BadEmailAddress:
        raise WorkAccountRefused(Refusal.UNVERIFIED_EMAIL) from None
    if email.split("@")[1] not in rules.domains:
        raise WorkAccountRefused(Refusal.FOREIGN_DOMAIN)
    return email

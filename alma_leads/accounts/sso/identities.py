"""Which work account is whose, as rows. Runs in its callers' transactions."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.orm import Session

from alma_leads.accounts.core import users
from alma_leads.accounts.core.emails import Notice, notify, revoke_link
from alma_leads.accounts.core.errors import UserNotFound
from alma_leads.accounts.core.models import LinkPurpose, Role, User
from alma_leads.accounts.core.users import lock_user
from alma_leads.accounts.sign_in.refusals import Refusal, WorkAccountRefused
from alma_leads.accounts.sso.id_token import WorkAccount
from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.email_address import BadEmailAddress, normalise_email

_OF_ACCOUNT = Sql("SELECT user_id FROM identities WHERE issuer = :issuer AND subject = :subject")
_HAS_ANOTHER = Sql("SELECT 1 FROM identities WHERE issuer = :issuer AND user_id = :user_id AND subject <> :subject")
_LINK = Sql("""
    INSERT INTO identities (user_id, issuer, subject, created_at) VALUES (:user_id, :issuer, :subject, :now)
    ON CONFLICT (issuer, subject) DO NOTHING
""")
_UNLINK = Sql("DELETE FROM identities WHERE user_id = :user_id")


class Rules(NamedTuple):
    """Whom the firm lets in by work account: the domains of addresses, and what someone is who is new; None: nobody."""

    domains: frozenset[str]
    role: Role | None


def find(session: Session, account: WorkAccount) -> int | None:
    """Return whose work account it is, or None when it has never been here."""
    row = _OF_ACCOUNT.row(session.connection(), issuer=account.issuer, subject=account.subject)
    return row[0] if row else None


def admit(session: Session, account: WorkAccount, *, rules: Rules, address: str) -> int:
    """Return who comes with a work account: known by it, known by address and joined with it now, or new.

    The provider's name for somebody is what counts. An address may be given to somebody else there one day: it is
    looked at only once, and never joins a second work account to one person.

    Raises:
        WorkAccountRefused: nobody whom the firm lets in.
        UserExists: somebody was added with this address at this moment; it works the second time.
    """
    user_id = find(session, account)
    if user_id is not None:
        return _active(users.get_user(session, user_id))
    email = _usable_email(account, rules)
    try:
        person = users.get_user_by_email(session, email)
    except UserNotFound:
        person = _add(session, email, account, rules=rules, address=address)
    user_id = _active(person)
    lock_user(session, user_id)  # two accounts with one address at once: one of them is the first
    if _HAS_ANOTHER.row(session.connection(), issuer=account.issuer, subject=account.subject, user_id=user_id):
        raise WorkAccountRefused(Refusal.ANOTHER_WORK_ACCOUNT, subject=person.name)
    _LINK.run(
        session.connection(), user_id=user_id, issuer=account.issuer, subject=account.subject, now=to_stamp(utc_now())
    )
    revoke_link(session, LinkPurpose.INVITATION, user_id=user_id)
    who = Actor("user", user_id, person.name, address)
    trail.record(session, Action.IDENTITY_LINKED, actor=who, subject=person.name, issuer=account.issuer)
    if person.is_activated:
        notify(session, Notice.WORK_ACCOUNT_LINKED, user_id=user_id, actor=who)
    return user_id


def unlink(session: Session, user_id: int) -> int:
    """Forget which work accounts are a person's, and return how many there were."""
    return _UNLINK.run(session.connection(), user_id=user_id)


def _add(session: Session, email: str, account: WorkAccount, *, rules: Rules, address: str) -> User:
    if rules.role is None:
        raise WorkAccountRefused(Refusal.NOT_INVITED)
    name = account.name[: users.MAX_NAME_LENGTH].strip() if account.name.isprintable() else ""
    name = name or users.name_from_email(email)
    user = users.create_user(session, email, name=name, role=rules.role, password=None)
    who = Actor("user", user.id, name, address)
    trail.record(session, Action.PERSON_ADDED, actor=who, subject=name, role=rules.role, by="sso")
    return user


def _active(person: User) -> int:
    if not person.active:
        raise WorkAccountRefused(Refusal.TURNED_OFF, subject=person.name)
    return person.id


def _usable_email(account: WorkAccount, rules: Rules) -> str:
    try:
        email = normalise_email(account.email)
    except BadEmailAddress:
        raise WorkAccountRefused(Refusal.UNVERIFIED_EMAIL) from None
    if email.split("@")[1] not in rules.domains:
        raise WorkAccountRefused(Refusal.FOREIGN_DOMAIN)
    return email

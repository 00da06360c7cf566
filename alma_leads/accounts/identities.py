"""Which work account is whose, as rows. Runs in its callers' transactions."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads import audit
from alma_leads.accounts import people
from alma_leads.accounts.emails import take_back
from alma_leads.accounts.id_token import WorkAccount
from alma_leads.accounts.models import LinkPurpose, Role
from alma_leads.accounts.refusals import Refusal, WorkAccountRefused
from alma_leads.actor import Actor
from alma_leads.audit import Action
from alma_leads.database import Sql, to_stamp, utc_now
from alma_leads.email_address import BadEmailAddress, normalise_email

_OF_ACCOUNT = Sql("""
    SELECT u.id, u.name, u.active, FALSE FROM identities i JOIN users u ON u.id = i.user_id
    WHERE i.issuer = :issuer AND i.subject = :subject
""")
_BY_EMAIL = Sql("""
    SELECT u.id, u.name, u.active,
        EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id AND i.issuer = :issuer AND i.subject <> :subject)
    FROM users u WHERE u.email = :email
""")
_LINK = Sql("""
    INSERT INTO identities (user_id, issuer, subject, created_at) VALUES (:user_id, :issuer, :subject, :now)
    ON CONFLICT (issuer, subject) DO NOTHING
""")


class Rules(NamedTuple):
    """Whom the firm lets in by work account: the domains of addresses, and what someone is who is new; None: nobody."""

    domains: frozenset[str]
    role: Role | None


class _Known(NamedTuple):
    user_id: int
    name: str
    active: bool
    has_another: bool


def find(connection: Connection, account: WorkAccount) -> int | None:
    """Return whose work account it is, or None when it has never been here."""
    row = _OF_ACCOUNT.row(connection, issuer=account.issuer, subject=account.subject)
    return row[0] if row else None


def admit(connection: Connection, account: WorkAccount, *, rules: Rules, address: str) -> int:
    """Return who comes with a work account: known by it, known by address and joined with it now, or new.

    The provider's name for somebody is what counts. An address may be given to somebody else there one day: it is
    looked at only once, and never joins a second work account to one person.

    Raises:
        WorkAccountRefused: nobody whom the firm lets in.
        PersonExists: somebody was added with this address at this moment; it works the second time.
    """
    row = _OF_ACCOUNT.row(connection, issuer=account.issuer, subject=account.subject)
    if row is not None:
        return _active(_Known(*row))
    email = _usable_email(account, rules)
    row = _BY_EMAIL.row(connection, email=email, issuer=account.issuer, subject=account.subject)
    known = _Known(*row) if row else None
    if known:
        user_id, name = _active(known), known.name
        if known.has_another:
            raise WorkAccountRefused(Refusal.ANOTHER_WORK_ACCOUNT, subject=name)
    elif rules.role is None:
        raise WorkAccountRefused(Refusal.NOT_INVITED)
    else:
        name = account.name[: people.MAX_NAME_LENGTH] if account.name.isprintable() else ""
        name = name.strip() or people.name_of(email)
        user_id = people.insert(connection, email, name=name, role=rules.role, password=None)
    who = Actor("user", user_id, name, address)
    if not known:
        audit.record(connection, Action.PERSON_ADDED, actor=who, subject=name, role=rules.role, by="sso")
    _LINK.run(connection, user_id=user_id, issuer=account.issuer, subject=account.subject, now=to_stamp(utc_now()))
    take_back(connection, LinkPurpose.INVITATION, user_id=user_id)
    audit.record(connection, Action.IDENTITY_LINKED, actor=who, subject=name, issuer=account.issuer)
    return user_id


def _active(known: _Known) -> int:
    if not known.active:
        raise WorkAccountRefused(Refusal.TURNED_OFF, subject=known.name)
    return known.user_id


def _usable_email(account: WorkAccount, rules: Rules) -> str:
    try:
        email = normalise_email(account.email)
    except BadEmailAddress:
        raise WorkAccountRefused(Refusal.UNVERIFIED_EMAIL) from None
    if email.split("@")[1] not in rules.domains:
        raise WorkAccountRefused(Refusal.FOREIGN_DOMAIN)
    return email

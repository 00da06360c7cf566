"""Use cases of the first administrator: created from settings, or through the link that the first start prints."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from alma_leads.accounts.core import links, users
from alma_leads.accounts.core.errors import LinkExpired
from alma_leads.accounts.core.links import SetupLink
from alma_leads.accounts.core.models import LinkPurpose, Role
from alma_leads.accounts.core.passwords import check_password, hash_password
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import OPERATOR, stranger
from alma_leads.common.email_address import normalise_email
from alma_leads.common.extensions import db, settings
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction

log = structlog.get_logger(__name__)


def prepare_first_administrator(*, email: str | None, password: str | None) -> str | None:
    """Create the first administrator from settings if there are no users.

    Return the token of the set-up link while nobody can sign in: the same one in every process and at every start,
    until it is used or a day has passed without a start.

    Raises:
        BadEmailAddress: the address cannot be one.
        WeakPassword: the password cannot be used.
    """
    link = _prepare(email=email, password=password)
    return link.token if link else None


def prepare_start() -> bool:
    """Prepare the first administrator as the settings say; return whether the database could be asked.

    Every process that `serve.py` did not start calls this: a worker, or any server that loads `wsgi`. Of processes that
    start together, one logs the address of the set-up page.

    Raises:
        WeakPassword: FIRST_ADMIN_PASSWORD cannot be used.
    """
    configured = settings()
    url = db.engine.url
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return False  # opening it would make an empty one
    password = configured.FIRST_ADMIN_PASSWORD
    try:
        link = _prepare(email=configured.FIRST_ADMIN_EMAIL, password=password.get_secret_value() if password else None)
    except (SQLAlchemyError, sqlite3.Error, psycopg.Error):
        return False  # not migrated yet, or it does not answer
    if link and link.is_news:
        address = f"{configured.PUBLIC_URL}/setup/{link.token}"
        log.warning("nobody can sign in yet: set up the first administrator", address=address)
    return True


def _prepare(*, email: str | None, password: str | None) -> SetupLink | None:
    if users.can_anyone_sign_in(db.session()):
        return None
    if email and password and not users.has_users(db.session()):
        _create_first_administrator(email, password)
        return None
    with transaction() as session:
        users.lock_users(session)
        if users.can_anyone_sign_in(session):
            return None
        return links.offer_setup(session, now=utc_now())


def _create_first_administrator(email: str, password: str) -> None:
    normalised = normalise_email(email)
    hashed = hash_password(check_password(password, about=(normalised,)))
    name = users.name_from_email(normalised)
    with transaction() as session:
        users.lock_users(session)
        if users.has_users(session):
            return  # another process was faster
        users.create_user(session, normalised, name=name, role=Role.ADMINISTRATOR, password=hashed)
        trail.record(
            session.connection(), Action.PERSON_ADDED, actor=OPERATOR, subject=name, role=Role.ADMINISTRATOR.value
        )


def check_setup_link(token: str) -> None:
    """Check that the set-up link works. It is not used up.

    Raises:
        LinkExpired: it no longer works, or somebody can already sign in.
    """
    if users.can_anyone_sign_in(db.session()):
        raise LinkExpired("Somebody can sign in already.")
    links.get_link(db.session(), token, LinkPurpose.SETUP, now=utc_now())


def set_up(token: str, *, name: str, email: str, password: str | None, address: str) -> int:
    """Create the first administrator through the set-up link, and return the user's id.

    Args:
        token: the link's.
        name: as shown.
        email: as typed.
        password: as typed, or None where passwords are off and the user signs in with a work account.
        address: network address of the browser.

    Raises:
        BadEmailAddress: it cannot be an address.
        WeakPassword: the password cannot be used.
        LinkExpired: the link no longer works, or somebody can already sign in.
        UserExists: a user without a password has this address.
    """
    check_setup_link(token)  # before the costly hash: anyone may try
    normalised = normalise_email(email)
    hashed = None if password is None else hash_password(check_password(password, about=(normalised, name)))
    with transaction() as session:
        users.lock_users(session)
        links.use_link(session, token, LinkPurpose.SETUP, now=utc_now())
        if users.can_anyone_sign_in(session):
            raise LinkExpired("Somebody can sign in already.")
        user = users.create_user(session, normalised, name=name, role=Role.ADMINISTRATOR, password=hashed)
        trail.record(
            session,
            Action.PERSON_ADDED,
            actor=stranger(address),
            subject=name,
            role=Role.ADMINISTRATOR.value,
        )
        return user.id

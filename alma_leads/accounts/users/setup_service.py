"""Use cases of the first administrator: made from settings, or through the link that the first start prints."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from alma_leads.accounts.core import links, people
from alma_leads.accounts.core.errors import LinkGone
from alma_leads.accounts.core.links import SetupLink
from alma_leads.accounts.core.models import LinkPurpose, Role
from alma_leads.accounts.core.passwords import check_password, hash_password
from alma_leads.actor import OPERATOR, stranger
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import utc_now
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.email_address import normalise_email
from alma_leads.extensions import db, settings

log = structlog.get_logger(__name__)


def prepare_first_administrator(*, email: str | None, password: str | None) -> str | None:
    """Make the first administrator from settings when there are no accounts.

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

    For every process that was not started by `serve.py`: a worker, or any server that loads `wsgi`. Of those that start
    together, one logs the address of the set-up page.

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
    with reading(db.engine) as connection:
        if people.can_anyone_sign_in(connection):
            return None
        anyone = people.is_anyone_there(connection)
    if email and password and not anyone:
        normalised = normalise_email(email)
        hashed = hash_password(check_password(password, about=(normalised,)))
        name = people.name_of(normalised)
        with transaction_on(db.engine) as connection:
            people.stand_in_line(connection)
            if not people.is_anyone_there(connection):
                people.insert(connection, normalised, name=name, role=Role.ADMINISTRATOR, password=hashed)
                trail.record(connection, Action.PERSON_ADDED, actor=OPERATOR, subject=name, role="administrator")
        return None
    with transaction_on(db.engine) as connection:
        people.stand_in_line(connection)
        if people.can_anyone_sign_in(connection):
            return None
        return links.offer_setup(connection, now=utc_now())


def look_at_set_up(token: str) -> None:
    """See to it that the set-up link works. It stays usable.

    Raises:
        LinkGone: it does not work any more, or somebody can sign in already.
    """
    with reading(db.engine) as connection:
        if people.can_anyone_sign_in(connection):
            raise LinkGone("Somebody can sign in already.")
        links.look(connection, token, LinkPurpose.SETUP, now=utc_now())


def set_up(token: str, *, name: str, email: str, password: str | None, address: str) -> int:
    """Make the first administrator through the set-up link, and return that person's number.

    Args:
        token: the link's.
        name: as shown.
        email: as typed.
        password: as typed, or None where nobody has one: the person comes in with the work account.
        address: network address of whoever does it.

    Raises:
        BadEmailAddress: the address cannot be one.
        WeakPassword: the password cannot be used.
        LinkGone: the link does not work any more, or somebody can sign in already.
        PersonExists: someone without a password has this address.
    """
    look_at_set_up(token)  # before the costly hash: anyone may try
    normalised = normalise_email(email)
    hashed = None if password is None else hash_password(check_password(password, about=(normalised, name)))
    with transaction_on(db.engine) as connection:
        people.stand_in_line(connection)
        links.use(connection, token, LinkPurpose.SETUP, now=utc_now())
        if people.can_anyone_sign_in(connection):
            raise LinkGone("Somebody can sign in already.")
        user_id = people.insert(connection, normalised, name=name, role=Role.ADMINISTRATOR, password=hashed)
        who = stranger(address)
        trail.record(connection, Action.PERSON_ADDED, actor=who, subject=name, role="administrator")
        return user_id

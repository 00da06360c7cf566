"""Use cases of people: set up, added, turned off, given a password. Each is one transaction."""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

from flask_security import hash_password
from sqlalchemy import Connection

from alma_leads.accounts import links, sessions, throttle
from alma_leads.accounts.errors import LastAdministrator, LinkGone, PersonExists, PersonNotFound
from alma_leads.accounts.links import Link
from alma_leads.accounts.models import LinkPurpose, Role
from alma_leads.accounts.passwords import check_password
from alma_leads.accounts.session_service import session_lifetime
from alma_leads.database import Sql, reading, to_stamp, transaction, utc_now
from alma_leads.email_address import normalise_email
from alma_leads.extensions import db

_ANYONE = Sql("SELECT count(*) FROM users")
_CAN_SIGN_IN = Sql("SELECT count(*) FROM users WHERE active AND password IS NOT NULL")
_INSERT = Sql("""
    INSERT INTO users (email, name, role, password, password_changed_at, active, fs_uniquifier, time_zone, theme,
                       single_key_shortcuts, created_at)
    VALUES (:email, :name, :role, :password, :changed, TRUE, :uniquifier, 'UTC', '', TRUE, :now)
    ON CONFLICT (email) DO NOTHING RETURNING id
""")
_FIND = Sql("SELECT id, active, role FROM users WHERE email = :email")
# Someone who was invited and has not come yet may be invited again, under another name or role.
_INVITE_AGAIN = Sql("""
    UPDATE users SET name = :name, role = :role WHERE email = :email AND active AND password IS NULL RETURNING id
""")
_ABOUT = Sql("SELECT email, name FROM users WHERE id = :id")
_PEOPLE = Sql("""
    SELECT u.id, u.email, u.name, u.role, u.active, u.password IS NOT NULL, max(s.last_seen_at)
    FROM users u LEFT JOIN user_sessions s ON s.user_id = u.id
    GROUP BY u.id, u.email, u.name, u.role, u.active, u.password ORDER BY u.name, u.id
""")
_SET_ACTIVE = Sql("UPDATE users SET active = :active WHERE id = :id")
_SET_PASSWORD = Sql("UPDATE users SET password = :password, password_changed_at = :now WHERE id = :id")
_SET_PREFERENCES = Sql("""
    UPDATE users SET time_zone = :time_zone, theme = :theme, single_key_shortcuts = :single_key_shortcuts WHERE id = :id
""")
# Holding every administrator's row makes two who would turn each other off stand in line.
_KEEPERS = "SELECT id FROM users WHERE active AND password IS NOT NULL AND role = 'administrator'"
_ADMINISTRATORS = Sql(sqlite=_KEEPERS, postgresql=f"{_KEEPERS} ORDER BY id FOR UPDATE")
# On PostgreSQL two set-ups at once must not both find the table empty.
_ALONE = Sql(sqlite="SELECT 1", postgresql="LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")


class Person(NamedTuple):
    """Someone of the firm."""

    id: int
    email: str
    name: str
    role: str
    active: bool
    has_password: bool
    last_seen_at: str | None


def prepare_first_administrator(*, email: str | None, password: str | None) -> str | None:
    """Make the first administrator from settings when there are no accounts.

    Return the token of a fresh set-up link while nobody can sign in; earlier ones stop working.

    Raises:
        BadEmailAddress: the address cannot be one.
        WeakPassword: the password cannot be used.
    """
    with reading(db.engine) as connection:
        if _CAN_SIGN_IN.rows(connection)[0][0]:
            return None
        anyone = _ANYONE.rows(connection)[0][0]
    if email and password and not anyone:
        normalised = normalise_email(email)
        hashed = hash_password(check_password(password, about=(normalised,)))
        with transaction(db.engine) as connection:
            _ALONE.run(connection)
            if not _ANYONE.rows(connection)[0][0]:
                _add(connection, normalised, name=_name_of(normalised), role=Role.ADMINISTRATOR, password=hashed)
        return None
    with transaction(db.engine) as connection:
        return links.make(connection, LinkPurpose.SETUP, user_id=None, now=utc_now())


def set_up(token: str, *, name: str, email: str, password: str) -> int:
    """Make the first administrator through the set-up link, and return that person's id.

    Raises:
        BadEmailAddress: the address cannot be one.
        WeakPassword: the password cannot be used.
        LinkGone: the link does not work any more, or somebody can sign in already.
        PersonExists: someone without a password has this address.
    """
    look_at_link(token, LinkPurpose.SETUP)  # before the costly hash: anyone may try
    normalised = normalise_email(email)
    hashed = hash_password(check_password(password, about=(normalised, name)))
    with transaction(db.engine) as connection:
        _ALONE.run(connection)
        links.use(connection, token, LinkPurpose.SETUP, now=utc_now())
        if _CAN_SIGN_IN.rows(connection)[0][0]:
            raise LinkGone("Somebody can sign in already.")
        return _add(connection, normalised, name=name, role=Role.ADMINISTRATOR, password=hashed)


def look_at_link(token: str, purpose: LinkPurpose) -> Link:
    """Return whom a link is for. It stays usable.

    Raises:
        LinkGone: it does not work any more.
    """
    with reading(db.engine) as connection:
        if purpose is LinkPurpose.SETUP and _CAN_SIGN_IN.rows(connection)[0][0]:
            raise LinkGone("Somebody can sign in already.")
        return links.look(connection, token, purpose, now=utc_now())


def list_people() -> list[Person]:
    """Return everyone of the firm, by name."""
    with reading(db.engine) as connection:
        return [Person(*row) for row in _PEOPLE.rows(connection)]


def add_person(email: str, *, name: str, role: Role) -> str:
    """Add someone, and return the token of the link where that person sets a password.

    For someone who was added but never chose a password, name and role are replaced and a fresh link is made.

    Raises:
        BadEmailAddress: the address cannot be one.
        PersonExists: someone who can sign in, or was turned off, has it.
    """
    normalised = normalise_email(email)
    with transaction(db.engine) as connection:
        again = _INVITE_AGAIN.row(connection, email=normalised, name=name, role=role.value)
        user_id = again[0] if again else _add(connection, normalised, name=name, role=role, password=None)
        return links.make(connection, LinkPurpose.SET_PASSWORD, user_id=user_id, now=utc_now())


def choose_password(token: str, *, password: str) -> int:
    """Set a password through its one-time link, end the person's sessions, and return the person's id.

    Raises:
        WeakPassword: the password cannot be used; the link still works.
        LinkGone: it does not work any more.
    """
    link = look_at_link(token, LinkPurpose.SET_PASSWORD)
    hashed = hash_password(check_password(password, about=(link.email or "",)))
    with transaction(db.engine) as connection:
        user_id = links.use(connection, token, LinkPurpose.SET_PASSWORD, now=utc_now())
        if user_id is None:
            raise LinkGone("This link is for nobody.")
        _SET_PASSWORD.run(connection, id=user_id, password=hashed, now=to_stamp(utc_now()))
        sessions.end_all(connection, user_id)
        return user_id


def change_password(user_id: int, *, password: str, keep_session: str) -> None:
    """Set another password and end all other sessions of that person.

    Raises:
        WeakPassword: the password cannot be used.
    """
    with reading(db.engine) as connection:
        about = _ABOUT.rows(connection, id=user_id)[0]
    hashed = hash_password(check_password(password, about=about))
    with transaction(db.engine) as connection:
        _SET_PASSWORD.run(connection, id=user_id, password=hashed, now=to_stamp(utc_now()))
        sessions.end_all(connection, user_id, keep=keep_session)


def deactivate(email: str) -> None:
    """Turn someone off: their sessions end at once, their prospects' new leads go to the helpdesk.

    Raises:
        PersonNotFound: nobody has the address.
        LastAdministrator: nobody could manage the application.
    """
    with transaction(db.engine) as connection:
        administrators = {row[0] for row in _ADMINISTRATORS.rows(connection)}
        user_id = _find(connection, email)
        if administrators == {user_id}:
            raise LastAdministrator(email)
        _SET_ACTIVE.run(connection, id=user_id, active=False)
        sessions.end_all(connection, user_id)


def activate(email: str) -> None:
    """Turn someone on again.

    Raises:
        PersonNotFound: nobody has the address.
    """
    with transaction(db.engine) as connection:
        _SET_ACTIVE.run(connection, id=_find(connection, email), active=True)


def set_preferences(user_id: int, *, time_zone: str, theme: str, single_key_shortcuts: bool) -> None:
    """Keep how the desk works for someone."""
    with transaction(db.engine) as connection:
        _SET_PREFERENCES.run(
            connection, id=user_id, time_zone=time_zone, theme=theme, single_key_shortcuts=single_key_shortcuts
        )


def forget_expired() -> int:
    """Delete sessions, links and attempts that are over."""
    now = utc_now()
    with transaction(db.engine) as connection:
        gone = sessions.forget(connection, lifetime=session_lifetime(), now=now)
        return gone + links.forget(connection, now=now) + throttle.forget(connection, now=now)


def _name_of(email: str) -> str:
    """Return "Rosa Delgado" for rosa.delgado@…: the settings give no name."""
    return " ".join(part.capitalize() for part in re.split(r"[._+-]+", email.split("@")[0]) if part) or email


def _find(connection: Connection, email: str) -> int:
    normalised = normalise_email(email)
    row = _FIND.row(connection, email=normalised)
    if row is None:
        raise PersonNotFound(normalised)
    user_id: int = row[0]
    return user_id


def _add(connection: Connection, email: str, *, name: str, role: Role, password: str | None) -> int:
    now = to_stamp(utc_now())
    row = _INSERT.row(
        connection,
        email=email,
        name=name,
        role=role.value,
        password=password,
        changed=now if password else None,
        uniquifier=secrets.token_hex(16),
        now=now,
    )
    if row is None:
        raise PersonExists(email)
    user_id: int = row[0]
    return user_id

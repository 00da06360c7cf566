"""People as rows: found, added, listed, and who keeps the application manageable. Runs in its callers' transactions."""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.accounts.core.errors import BadName, LastAdministrator, PersonExists, PersonNotFound
from alma_leads.accounts.core.models import Role
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.email_address import normalise_email

MAX_NAME_LENGTH = 200

# Someone who can come in by a password, a passkey or the identity provider. Others were invited and have not come yet.
CAN_SIGN_IN = """(u.password IS NOT NULL OR EXISTS (SELECT 1 FROM passkeys k WHERE k.user_id = u.id)
        OR EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id))"""

_INSERT = Sql("""
    INSERT INTO users (email, name, role, password, password_changed_at, active, handle, time_zone, theme,
                       single_key_shortcuts, created_at)
    VALUES (:email, :name, :role, :password, :changed, TRUE, :handle, '', '', TRUE, :now)
    ON CONFLICT (email) DO NOTHING RETURNING id
""")
_COLUMNS = f"u.id, u.email, u.name, u.role, u.active, {CAN_SIGN_IN}"
_BY_EMAIL = Sql(f"SELECT {_COLUMNS} FROM users u WHERE u.email = :email")
_BY_ID = Sql(f"SELECT {_COLUMNS} FROM users u WHERE u.id = :id")
_ANYONE = Sql("SELECT count(*) FROM users")
_ANYONE_CAN_SIGN_IN = Sql(f"SELECT count(*) FROM users u WHERE u.active AND {CAN_SIGN_IN}")
# Holding every administrator's row makes two who would turn each other off stand in line.
_KEEPERS = f"SELECT u.id FROM users u WHERE u.active AND u.role = 'administrator' AND {CAN_SIGN_IN}"
_ADMINISTRATORS = Sql(sqlite=_KEEPERS, postgresql=f"{_KEEPERS} ORDER BY u.id FOR UPDATE OF u")
# On PostgreSQL two who look whether something is there, and then write it, would both find nothing.
_ALONE = Sql(sqlite="SELECT 1", postgresql="LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")


class Person(NamedTuple):
    """Someone of the firm. `came` says whether the person can sign in, or was invited and has not come yet."""

    id: int
    email: str
    name: str
    role: str
    active: bool
    came: bool


def check_name(typed: str) -> str:
    """Return a name as it is kept.

    Raises:
        BadName: it is empty, too long, or holds what does not belong in a line of text.
    """
    name = typed.strip()
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise BadName(f"A name has 1 to {MAX_NAME_LENGTH} characters")
    return name


def by_email(connection: Connection, email: str) -> Person:
    """Return who has an address, however it is typed.

    Raises:
        BadEmailAddress: it cannot be one.
        PersonNotFound: nobody has it.
    """
    normalised = normalise_email(email)
    row = _BY_EMAIL.row(connection, email=normalised)
    if row is None:
        raise PersonNotFound(normalised)
    return Person(*row)


def by_id(connection: Connection, person_id: int) -> Person:
    """Return the person with a number.

    Raises:
        PersonNotFound: there is none.
    """
    row = _BY_ID.row(connection, id=person_id)
    if row is None:
        raise PersonNotFound(f"number {person_id}")
    return Person(*row)


def stand_in_line(connection: Connection) -> None:
    """Keep everyone else from writing people until this transaction ends."""
    _ALONE.run(connection)


def is_anyone_there(connection: Connection) -> bool:
    """Say whether there is any account."""
    return bool(_ANYONE.rows(connection)[0][0])


def can_anyone_sign_in(connection: Connection) -> bool:
    """Say whether there is an account that opens."""
    return bool(_ANYONE_CAN_SIGN_IN.rows(connection)[0][0])


def keep_an_administrator(connection: Connection, person: Person) -> None:
    """Make sure that somebody else could manage the application without this person.

    Raises:
        LastAdministrator: nobody could.
    """
    if {row[0] for row in _ADMINISTRATORS.rows(connection)} == {person.id}:
        raise LastAdministrator(person.email)


def insert(connection: Connection, email: str, *, name: str, role: Role, password: str | None) -> int:
    """Add someone, and return the number.

    Args:
        connection: in a transaction of the caller.
        email: normalised.
        name: as shown.
        role: what the person may do.
        password: its hash, if there is one.

    Raises:
        PersonExists: someone has the address.
    """
    now = to_stamp(utc_now())
    row = _INSERT.row(
        connection,
        email=email,
        name=name,
        role=role.value,
        password=password,
        changed=now if password else None,
        handle=secrets.token_hex(16),
        now=now,
    )
    if row is None:
        raise PersonExists(email)
    user_id: int = row[0]
    return user_id


def name_of(email: str) -> str:
    """Return "Rosa Delgado" for rosa.delgado@…, for someone whose name is not known."""
    return " ".join(part.capitalize() for part in re.split(r"[._+-]+", email.split("@")[0]) if part) or email


# Holds the rows, so that a password that is being changed, a person who is being turned off, a factor that is being
# added and a rule that is being made are seen as such: what is read after it is as it stays.
_HOLD_PERSON = Sql(
    sqlite="SELECT 1",
    postgresql="SELECT 1 FROM users u CROSS JOIN firm f WHERE u.id = :id FOR NO KEY UPDATE OF u FOR SHARE OF f",
)


def hold(connection: Connection, user_id: int) -> None:
    """Let nobody else change a person or the firm's rule before the caller's transaction is over."""
    _HOLD_PERSON.run(connection, id=user_id)

"""Use cases of people: listed, added, turned off and on. Each is one transaction."""

from __future__ import annotations

from typing import NamedTuple

from alma_leads import audit
from alma_leads.accounts import links, people, sessions
from alma_leads.accounts.models import LinkPurpose, Role
from alma_leads.accounts.people import CAN_SIGN_IN, Person
from alma_leads.actor import Actor
from alma_leads.audit import Action
from alma_leads.database import Sql, reading, transaction, utc_now
from alma_leads.email_address import normalise_email
from alma_leads.extensions import db

# Someone who was invited and has not come yet may be invited again, under another name or role.
_INVITE_AGAIN = Sql(f"""
    UPDATE users AS u SET name = :name, role = :role WHERE u.email = :email AND u.active AND NOT {CAN_SIGN_IN}
    RETURNING id
""")
_PEOPLE = Sql(f"""
    SELECT u.id, u.email, u.name, u.role, u.active, {CAN_SIGN_IN}, max(s.last_seen_at)
    FROM users u LEFT JOIN user_sessions s ON s.user_id = u.id
    GROUP BY u.id, u.email, u.name, u.role, u.active, u.password ORDER BY u.name, u.id
""")
_SET_ACTIVE = Sql("UPDATE users SET active = :active WHERE id = :id")


class PersonRow(NamedTuple):
    """Someone of the firm, in the list."""

    id: int
    email: str
    name: str
    role: str
    active: bool
    came: bool
    last_seen_at: str | None


def list_people() -> list[PersonRow]:
    """Return everyone of the firm, by name."""
    with reading(db.engine) as connection:
        return [PersonRow(*row) for row in _PEOPLE.rows(connection)]


def find_person(email: str) -> Person:
    """Return who has an address, however it is typed.

    Raises:
        BadEmailAddress: it cannot be one.
        PersonNotFound: nobody has it.
    """
    with reading(db.engine) as connection:
        return people.by_email(connection, email)


def add_person(email: str, *, name: str, role: Role, actor: Actor) -> str:
    """Add someone, and return the token of the link where that person sets a password.

    For someone who was added but never came, name and role are replaced and a fresh link is made.

    Raises:
        BadEmailAddress: the address cannot be one.
        PersonExists: someone who can sign in, or was turned off, has it.
    """
    normalised = normalise_email(email)
    with transaction(db.engine) as connection:
        again = _INVITE_AGAIN.row(connection, email=normalised, name=name, role=role.value)
        user_id = again[0] if again else people.insert(connection, normalised, name=name, role=role, password=None)
        audit.record(connection, Action.PERSON_ADDED, actor=actor, subject=name, role=role.value)
        return links.make(connection, LinkPurpose.INVITATION, user_id=user_id, now=utc_now())


def deactivate(email: str, *, actor: Actor) -> None:
    """Turn someone off: their sessions end at once, their prospects' new leads go to the helpdesk.

    Raises:
        BadEmailAddress: the address cannot be one.
        PersonNotFound: nobody has the address.
        LastAdministrator: nobody could manage the application.
    """
    with transaction(db.engine) as connection:
        person = people.by_email(connection, email)
        people.keep_an_administrator(connection, person)
        _SET_ACTIVE.run(connection, id=person.id, active=False)
        sessions.end_all(connection, person.id)
        audit.record(connection, Action.PERSON_DEACTIVATED, actor=actor, subject=person.name)


def activate(email: str, *, actor: Actor) -> None:
    """Turn someone on again.

    Raises:
        BadEmailAddress: the address cannot be one.
        PersonNotFound: nobody has the address.
    """
    with transaction(db.engine) as connection:
        person = people.by_email(connection, email)
        _SET_ACTIVE.run(connection, id=person.id, active=True)
        audit.record(connection, Action.PERSON_ACTIVATED, actor=actor, subject=person.name)

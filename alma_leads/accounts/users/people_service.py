"""Use cases of people: listed, invited, given another role, turned off and on. Each is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.accounts.core import emails, people, sessions
from alma_leads.accounts.core.emails import Notice
from alma_leads.accounts.core.errors import CameAlready, NotComeYet, PersonOff
from alma_leads.accounts.core.models import LinkPurpose, Role
from alma_leads.accounts.core.people import CAN_SIGN_IN, Person, hold
from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.email_address import normalise_email
from alma_leads.extensions import db

# Someone who was invited and never came may be invited again, under another name or role.
_INVITE_AGAIN = Sql(f"""
    UPDATE users AS u SET name = :name, role = :role, active = TRUE WHERE u.email = :email AND NOT {CAN_SIGN_IN}
    RETURNING id
""")
_ROWS = f"""
    SELECT u.id, u.email, u.name, u.role, u.active, {CAN_SIGN_IN}, u.password IS NOT NULL,
        EXISTS (SELECT 1 FROM authenticators a WHERE a.user_id = u.id AND a.confirmed_at IS NOT NULL),
        EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = u.id),
        EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id),
        (SELECT e.at FROM audit_events e WHERE e.actor_kind = 'user' AND e.actor_id = u.id AND e.action = 'signed_in'
            ORDER BY e.at DESC, e.id DESC LIMIT 1),
        (SELECT max(l.expires_at) FROM one_time_links l WHERE l.user_id = u.id AND l.purpose = 'invitation'
            AND l.used_at IS NULL AND l.expires_at > :now)
    FROM users u
"""
_PEOPLE = Sql(f"{_ROWS} ORDER BY u.name, u.id")
_ONE = Sql(f"{_ROWS} WHERE u.id = :id")
_SET_ACTIVE = Sql("UPDATE users SET active = :active WHERE id = :id AND active <> :active")
_SET_ROLE = Sql("UPDATE users SET role = :role WHERE id = :id AND role <> :role")


class PersonRow(NamedTuple):
    """Someone of the firm, in the list. Times are stamps; `invited_until` is there while an invitation works."""

    id: int
    email: str
    name: str
    role: str
    active: bool
    came: bool
    has_password: bool
    has_app: bool
    has_passkey: bool
    has_work_account: bool
    signed_in_at: str | None
    invited_until: str | None

    @property
    def state(self) -> str:
        """How far the person has come, in a word: active, off, invited, or revoked before ever coming."""
        if self.came:
            return "active" if self.active else "off"
        return "invited" if self.active else "revoked"

    @property
    def has_second_factor(self) -> bool:
        """Whether there is a second factor to ask for."""
        return self.has_app or self.has_passkey


class Invited(NamedTuple):
    """An invitation that was sent: to whom, the token of its link, and whether that person had one before."""

    person: Person
    token: str
    again: bool


def list_people() -> Sequence[PersonRow]:
    """Return everyone of the firm, by name."""
    with reading(db.engine) as connection:
        return [PersonRow(*row) for row in _PEOPLE.rows(connection, now=to_stamp(utc_now()))]


def look_up(person_id: int) -> PersonRow:
    """Return one person, as in the list.

    Raises:
        PersonNotFound: there is none with this number.
    """
    with reading(db.engine) as connection:
        people.by_id(connection, person_id)
        return PersonRow(*_ONE.rows(connection, id=person_id, now=to_stamp(utc_now()))[0])


def find_person(email: str) -> Person:
    """Return who has an address.

    Raises:
        BadEmailAddress: the address cannot be one.
        PersonNotFound: nobody has it.
    """
    with reading(db.engine) as connection:
        return people.by_email(connection, email)


def invite(email: str, *, name: str, role: Role, actor: Actor) -> Invited:
    """Add someone, and promise the e-mail with the link where that person chooses a password.

    For someone who was invited but never came, name and role are replaced and a fresh link is made.

    Raises:
        BadEmailAddress: the address cannot be one.
        PersonExists: someone who can sign in, or was turned off, has it.
    """
    normalised = normalise_email(email)
    with transaction_on(db.engine) as connection:
        again = _INVITE_AGAIN.row(connection, email=normalised, name=name, role=role.value)
        user_id = again[0] if again else people.insert(connection, normalised, name=name, role=role, password=None)
        if not again:
            trail.record(connection, Action.PERSON_ADDED, actor=actor, subject=name, role=role.value)
        token = _send_invitation(connection, people.by_id(connection, user_id), actor)
        return Invited(people.by_id(connection, user_id), token, bool(again))


def invite_again(person_id: int, *, actor: Actor) -> Person:
    """Promise a fresh invitation to someone who has not come yet; the earlier one stops working.

    Raises:
        PersonNotFound: there is no such person.
        PersonOff: the person was turned off.
        CameAlready: the person can sign in.
    """
    with transaction_on(db.engine) as connection:
        person = _held(connection, person_id)
        if person.came:
            raise CameAlready(person.email)
        _send_invitation(connection, person, actor)
        return person


def revoke_invitation(person_id: int, *, actor: Actor) -> Person:
    """Make an invitation stop working, and turn off whom it was for. The same person may be invited again.

    Raises:
        PersonNotFound: there is no such person.
        CameAlready: the person can sign in. Then there is "turn off".
    """
    with transaction_on(db.engine) as connection:
        hold(connection, person_id)
        person = people.by_id(connection, person_id)
        if person.came:
            raise CameAlready(person.email)
        emails.take_back_all(connection, user_id=person_id)
        _SET_ACTIVE.run(connection, id=person_id, active=False)
        trail.record(connection, Action.INVITATION_REVOKED, actor=actor, subject=person.name)
        return person


def send_reset_link(person_id: int, *, actor: Actor) -> Person:
    """Promise someone the e-mail with a link where a new password is chosen. The present one works until then.

    Raises:
        PersonNotFound: there is no such person.
        PersonOff: the person was turned off.
        NotComeYet: the person has an invitation instead.
    """
    with transaction_on(db.engine) as connection:
        person = _held(connection, person_id)
        if not person.came:
            raise NotComeYet(person.email)
        by = actor.name
        emails.send_link(connection, LinkPurpose.RESET, user_id=person_id, recipient=person.email, by=by)
        trail.record(connection, Action.RESET_LINK_SENT, actor=actor, subject=person.name)
        return person


def change_role(person_id: int, *, role: Role, actor: Actor) -> Person:
    """Give someone another role, which holds from that person's next click on.

    Raises:
        PersonNotFound: there is no such person.
        LastAdministrator: nobody could manage the application.
    """
    with transaction_on(db.engine) as connection:
        person = people.by_id(connection, person_id)
        if role is not Role.ADMINISTRATOR:
            people.keep_an_administrator(connection, person)
        hold(connection, person_id)
        if _SET_ROLE.run(connection, id=person_id, role=role.value):
            trail.record(
                connection, Action.ROLE_CHANGED, actor=actor, subject=person.name, old=person.role, new=role.value
            )
            if person.active and person.came:
                emails.tell(connection, Notice.ROLE_CHANGED, user_id=person_id, actor=actor)
        return person


def deactivate(person_id: int, *, actor: Actor) -> Person:
    """Turn someone off: sessions and links end at once, new leads of their prospects go to the helpdesk.

    Raises:
        PersonNotFound: there is no such person.
        LastAdministrator: nobody could manage the application.
    """
    with transaction_on(db.engine) as connection:
        person = people.by_id(connection, person_id)
        people.keep_an_administrator(connection, person)
        hold(connection, person_id)
        emails.take_back_all(connection, user_id=person_id)
        if _SET_ACTIVE.run(connection, id=person_id, active=False):
            trail.record(connection, Action.PERSON_DEACTIVATED, actor=actor, subject=person.name)
        sessions.end_all(connection, person_id)
        return person


def activate(person_id: int, *, actor: Actor) -> Person:
    """Turn someone on again, who then signs in as before.

    Raises:
        PersonNotFound: there is no such person.
        NotComeYet: the invitation was revoked. Invite the person again.
    """
    with transaction_on(db.engine) as connection:
        hold(connection, person_id)
        person = people.by_id(connection, person_id)
        if not person.came:
            raise NotComeYet(person.email)
        if _SET_ACTIVE.run(connection, id=person_id, active=True):
            trail.record(connection, Action.PERSON_ACTIVATED, actor=actor, subject=person.name)
        return person


def _send_invitation(connection: Connection, person: Person, actor: Actor) -> str:
    by = actor.name if actor.kind == "user" else ""
    token = emails.send_link(connection, LinkPurpose.INVITATION, user_id=person.id, recipient=person.email, by=by)
    trail.record(connection, Action.INVITATION_SENT, actor=actor, subject=person.name)
    return token


def _held(connection: Connection, person_id: int) -> Person:
    hold(connection, person_id)
    person = people.by_id(connection, person_id)
    if not person.active:
        raise PersonOff(person.email)
    return person

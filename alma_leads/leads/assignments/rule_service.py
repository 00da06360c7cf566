"""Use cases of the assignment rules: who takes part in turn, which attorney has a domain. Each is one transaction."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.email_address import BadEmailAddress, normalise_email
from alma_leads.extensions import db
from alma_leads.leads.assignments import absences
from alma_leads.leads.assignments.assignment_rules import TAKES_PART
from alma_leads.leads.core.attorneys import SERVES, attorney_with
from alma_leads.leads.core.errors import BadDomain

_IN_TURN = "SELECT in_turn FROM assignment_rules"
_READ_IN_TURN = Sql(_IN_TURN)
# Two who save at once stand in line here.
_HOLD_IN_TURN = Sql(sqlite=_IN_TURN, postgresql=f"{_IN_TURN} FOR UPDATE")
_SET_IN_TURN = Sql("UPDATE assignment_rules SET in_turn = :in_turn")
_MEMBERS = Sql(f"""
    SELECT u.id, u.name, u.role, {TAKES_PART} FROM users u LEFT JOIN rotation_members m ON m.user_id = u.id
    WHERE {SERVES} ORDER BY u.name, u.id
""")
_SET_MEMBER = Sql("""
    INSERT INTO rotation_members (user_id, takes_part) VALUES (:user_id, :takes_part)
    ON CONFLICT (user_id) DO UPDATE SET takes_part = :takes_part
""")
_DOMAINS = Sql(f"""
    SELECT d.domain, u.id, u.email, u.name, {SERVES}
    FROM domain_rules d JOIN users u ON u.id = d.attorney_id ORDER BY d.domain
""")
_HAS_DOMAIN = Sql("SELECT u.name FROM domain_rules d JOIN users u ON u.id = d.attorney_id WHERE d.domain = :domain")
_SET_DOMAIN = Sql("""
    INSERT INTO domain_rules (domain, attorney_id) VALUES (:domain, :attorney_id)
    ON CONFLICT (domain) DO UPDATE SET attorney_id = :attorney_id
""")
_REMOVE_DOMAIN = Sql("DELETE FROM domain_rules WHERE domain = :domain")


class Member(NamedTuple):
    """Someone who could take part in turn, and whether they do. `away_until` is the last day of who is away today."""

    id: int
    name: str
    role: str
    takes_part: bool
    away_until: date | None = None


class Rule(NamedTuple):
    """A domain and its attorney, who may be turned off, or no attorney any more (`serves`), or away."""

    domain: str
    attorney_id: int
    attorney_email: str
    attorney_name: str
    serves: bool
    away_until: date | None = None


class Rules(NamedTuple):
    """All of them."""

    in_turn: bool
    members: list[Member]
    domains: list[Rule]


def present_rules() -> Rules:
    """Return the rules, people by name and domains in order."""
    with reading(db.engine) as connection:
        away = absences.away_on(connection, absences.today(connection))
        members = [Member(*row)._replace(away_until=away.get(row[0])) for row in _MEMBERS.rows(connection)]
        domains = [Rule(*row)._replace(away_until=away.get(row[1])) for row in _DOMAINS.rows(connection)]
        return Rules(bool(_READ_IN_TURN.rows(connection)[0][0]), members, domains)


def set_rotation(*, in_turn: bool, shown: Collection[int], taking_part: Collection[int], actor: Actor) -> None:
    """Have new prospects go to attorneys in turn, or not, and say who takes part of those who were shown.

    Whoever came since the page was opened keeps what holds for everyone.
    """
    with transaction_on(db.engine) as connection:
        was = bool(_HOLD_IN_TURN.rows(connection)[0][0])
        changes: dict[str, object] = {}
        if was != in_turn:
            _SET_IN_TURN.run(connection, in_turn=in_turn)
            changes["in_turn"] = {"old": was, "new": in_turn}
        members = [Member(*row) for row in _MEMBERS.rows(connection) if row[0] in shown]
        for word, wanted in (("takes_part", True), ("left_out", False)):
            changed = [each for each in members if each.takes_part != wanted == (each.id in taking_part)]
            for each in changed:
                _SET_MEMBER.run(connection, user_id=each.id, takes_part=wanted)
            if changed:
                changes[word] = [each.name for each in changed]
        if changes:
            trail.record(connection, Action.ROTATION_SET, actor=actor, subject="assignment rules", **changes)


def set_domain(typed: str, *, attorney_email: str, actor: Actor) -> str:
    """Have the new prospects of a domain, and of those below it, go to an attorney; return the domain as it is kept.

    Raises:
        BadDomain: no address can have it.
        NotAnActiveAttorney: the address is not an active attorney's.
    """
    domain = normalise_domain(typed)
    with transaction_on(db.engine) as connection:
        attorney = attorney_with(connection, attorney_email)
        row = _HAS_DOMAIN.row(connection, domain=domain)
        old = row[0] if row else None
        _SET_DOMAIN.run(connection, domain=domain, attorney_id=attorney.id)
        if old != attorney.name:
            trail.record(connection, Action.DOMAIN_RULE_SET, actor=actor, subject=domain, old=old, new=attorney.name)
    return domain


def remove_domain(domain: str, *, actor: Actor) -> None:
    """Let a domain have no attorney; nothing happens when it has none."""
    with transaction_on(db.engine) as connection:
        row = _HAS_DOMAIN.row(connection, domain=domain)
        if row is not None and _REMOVE_DOMAIN.run(connection, domain=domain):
            trail.record(connection, Action.DOMAIN_RULE_REMOVED, actor=actor, subject=domain, old=row[0])


def normalise_domain(typed: str) -> str:
    """Return a domain as it stands in normalised addresses.

    Raises:
        BadDomain: no address can have it.
    """
    try:
        return normalise_email(f"x@{typed.strip().removeprefix('@')}").removeprefix("x@")
    except BadEmailAddress as error:
        raise BadDomain(typed) from error

"""Use cases of the assignment rules: the round robin and the attorneys of domains. Each is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import Row, select

from alma_leads.accounts.core.models import Role, User
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.email_address import BadEmailAddress, normalise_email
from alma_leads.common.extensions import db
from alma_leads.database.session import transaction
from alma_leads.database.upsert import insert
from alma_leads.leads.assignments.absences import AWAY_UNTIL, get_today
from alma_leads.leads.assignments.assignment_rules import TAKES_PART
from alma_leads.leads.assignments.models import AssignmentRules, DomainRule, RotationMember
from alma_leads.leads.core.attorneys import IS_ACTIVE_ATTORNEY, get_attorney
from alma_leads.leads.core.errors import BadDomain

_MEMBERS = (
    select(User.id, User.name, User.role, TAKES_PART.label("takes_part"), AWAY_UNTIL)
    .outerjoin(RotationMember, RotationMember.user_id == User.id)
    .where(IS_ACTIVE_ATTORNEY)
    .order_by(User.name, User.id)
)
_DOMAINS = (
    select(
        DomainRule.domain,
        User.email.label("attorney_email"),
        User.name.label("attorney_name"),
        IS_ACTIVE_ATTORNEY.label("is_active_attorney"),
        AWAY_UNTIL,
    )
    .join(DomainRule.attorney)
    .order_by(DomainRule.domain)
)
_SAVE_MEMBER = insert(RotationMember)
_SAVE_MEMBER = _SAVE_MEMBER.on_conflict_do_update(
    index_elements=[RotationMember.user_id], set_={"takes_part": _SAVE_MEMBER.excluded.takes_part}
)
_SAVE_DOMAIN = insert(DomainRule)
_SAVE_DOMAIN = _SAVE_DOMAIN.on_conflict_do_update(
    index_elements=[DomainRule.domain], set_={"attorney_id": _SAVE_DOMAIN.excluded.attorney_id}
)


class Rules(NamedTuple):
    """All rules. `members` are the users who could take part in the round robin, each with `takes_part`.

    The attorney of a domain may be deactivated or no attorney any more: then `is_active_attorney` is false. Members and
    domains have `away_until`, the last day of an absence that includes today.
    """

    in_turn: bool
    members: Sequence[Row[int, str, Role, bool, date]]
    domains: Sequence[Row[str, str, str, bool, date]]


def get_rules() -> Rules:
    """Return the rules: users by name, domains in order."""
    session = db.session()
    today = {"today": get_today(session)}
    in_turn = session.scalars(select(AssignmentRules.in_turn)).one()
    return Rules(in_turn, session.execute(_MEMBERS, today).all(), session.execute(_DOMAINS, today).all())


def set_rotation(*, in_turn: bool, shown: Collection[int], taking_part: Collection[int], actor: Actor) -> None:
    """Turn the round robin on or off, and set which of the users who were shown take part.

    Users who were added since the page was opened keep their default.
    """
    with transaction() as session:
        rules = session.scalars(select(AssignmentRules).with_for_update()).one()
        changes: dict[str, object] = {}
        if rules.in_turn != in_turn:
            changes["in_turn"] = {"old": rules.in_turn, "new": in_turn}
            rules.in_turn = in_turn
        members = [row for row in session.execute(_MEMBERS, {"today": get_today(session)}) if row.id in shown]
        for word, wanted in (("takes_part", True), ("left_out", False)):
            changed = [row for row in members if row.takes_part != wanted == (row.id in taking_part)]
            if changed:
                session.execute(_SAVE_MEMBER, [{"user_id": row.id, "takes_part": wanted} for row in changed])
                changes[word] = [row.name for row in changed]
        if changes:
            trail.record(session.connection(), Action.ROTATION_SET, actor=actor, subject="assignment rules", **changes)


def set_domain(typed: str, *, attorney_email: str, actor: Actor) -> str:
    """Set the attorney for new prospects of a domain and its subdomains; return the domain as it is stored.

    Raises:
        BadDomain: no address can have it.
        NotAnActiveAttorney: the address is not an active attorney's.
    """
    domain = normalise_domain(typed)
    with transaction() as session:
        attorney = get_attorney(session, attorney_email)
        rule = session.get(DomainRule, domain)
        old = rule.attorney.name if rule else None
        session.execute(_SAVE_DOMAIN, [{"domain": domain, "attorney_id": attorney.id}])
        if old != attorney.name:
            connection = session.connection()
            trail.record(connection, Action.DOMAIN_RULE_SET, actor=actor, subject=domain, old=old, new=attorney.name)
    return domain


def remove_domain(domain: str, *, actor: Actor) -> None:
    """Remove the rule for a domain. Nothing happens when there is none."""
    with transaction() as session:
        rule = session.get(DomainRule, domain, with_for_update=True)
        if rule is None:
            return
        session.delete(rule)
        connection, old = session.connection(), rule.attorney.name
        trail.record(connection, Action.DOMAIN_RULE_REMOVED, actor=actor, subject=domain, old=old)


def normalise_domain(typed: str) -> str:
    """Return a domain as it is spelled in normalised addresses.

    Raises:
        BadDomain: no address can have it.
    """
    try:
        return normalise_email(f"x@{typed.strip().removeprefix('@')}").removeprefix("x@")
    except BadEmailAddress as error:
        raise BadDomain(typed) from error

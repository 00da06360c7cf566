"""Choose the attorney for a new prospect: by the domain of the address, else by round robin, else the helpdesk.

Runs in the transaction that stores the first lead. Users who are away or deactivated are skipped.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, Sequence, and_, bindparam, exists, func, or_, select, true, update

from alma_leads.accounts.core.models import Role, User
from alma_leads.common.actor import SYSTEM
from alma_leads.database.base import from_stamp
from alma_leads.leads.assignments.absences import IS_AWAY
from alma_leads.leads.assignments.models import AssignmentRules, DomainRule, RotationMember
from alma_leads.leads.core.attorneys import IS_ACTIVE_ATTORNEY
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.models import Prospect

# Whether there is anything to decide, for a statement that is run anyway.
ARE_ANY = select(or_(AssignmentRules.in_turn, exists().select_from(DomainRule))).scalar_subquery()
# Whether a `User` takes part in the round robin, for statements that join `RotationMember`.
TAKES_PART = func.coalesce(RotationMember.takes_part, User.role == Role.ATTORNEY)

_CANDIDATES = (
    select(User.id, User.email, DomainRule.domain, and_(AssignmentRules.in_turn, TAKES_PART).label("in_turn"))
    .select_from(User)
    .join(AssignmentRules, true())
    .outerjoin(RotationMember, RotationMember.user_id == User.id)
    .outerjoin(
        DomainRule,
        and_(DomainRule.attorney_id == User.id, DomainRule.domain.in_(bindparam("domains", expanding=True))),
    )
    .where(IS_ACTIVE_ATTORNEY, ~IS_AWAY)
    .order_by(User.id)
)
# No turn is given twice, and nobody waits for one. A submission that fails loses its turn, which evens out. SQLite has
# no sequences, but only one writer at a time, so nobody waits for the row there either.
_NEXT_TURN = {
    "postgresql": select(Sequence("assignment_turns").next_value()),
    "sqlite": update(AssignmentRules).values(turn=AssignmentRules.turn + 1).returning(AssignmentRules.turn),
}
_ASSIGN = (
    update(Prospect)
    .where(Prospect.id == bindparam("prospect_id"))
    .values(attorney_id=bindparam("attorney"), assigned_at=bindparam("now"))
)


class Choice(NamedTuple):
    """The attorney for a prospect, and the rule that decided: "in turn" or a domain like "corp.example"."""

    attorney_id: int
    email: str
    rule: str


def choose(connection: Connection, email: str, *, today: date) -> Choice | None:
    """Return the attorney for the new prospect with this normalised address, or None for the helpdesk.

    The most specific domain whose attorney is available wins. `today` is the firm's day.
    """
    candidates = connection.execute(_CANDIDATES, {"domains": _domains(email), "today": today}).all()
    by_domain = [Choice(row.id, row.email, row.domain) for row in candidates if row.domain]
    if by_domain:
        return max(by_domain, key=lambda choice: len(choice.rule))
    by_turn = [Choice(row.id, row.email, "in turn") for row in candidates if row.in_turn]
    if not by_turn:
        return None
    turn: int = connection.execute(_NEXT_TURN[connection.dialect.name]).scalar_one()
    return by_turn[turn % len(by_turn)]


def assign_new_prospect(connection: Connection, choice: Choice, *, prospect_id: int, lead_id: int, now: str) -> None:
    """Assign a prospect to the attorney who was chosen, and record that in the log of the first lead."""
    connection.execute(_ASSIGN, {"prospect_id": prospect_id, "attorney": choice.attorney_id, "now": from_stamp(now)})
    data = {"attorney": {"old": None, "new": choice.email}, "rule": choice.rule}
    record(connection, lead_id, kind=EventKind.ASSIGNED, actor=SYSTEM, at=now, data=data)


def _domains(email: str) -> list[str]:
    """Return the domain of a normalised address and its parent domains, down to those with one dot."""
    labels = email.rpartition("@")[2].split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]

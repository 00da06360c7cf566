"""To whom a prospect goes who is new: by the domain of the address, else in turn, else to the helpdesk.

Runs in the transaction that stores the first lead. Nobody who is away or turned off is chosen.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.actor import SYSTEM
from alma_leads.database.raw import Sql, Step, id_list, sql_in
from alma_leads.leads.assignments.absences import AWAY
from alma_leads.leads.core.attorneys import SERVES
from alma_leads.leads.core.events import EventKind, recording

# Whether there is anything to decide, for a statement that is run anyway.
ANY_RULES = "(SELECT in_turn OR EXISTS (SELECT 1 FROM domain_rules) FROM assignment_rules)"
TAKES_PART = "coalesce(m.takes_part, u.role = 'attorney')"

_THERE = sql_in(f"""
    SELECT u.id, u.email, d.domain, r.in_turn AND {TAKES_PART}
    FROM assignment_rules r CROSS JOIN users u
    LEFT JOIN rotation_members m ON m.user_id = u.id
    LEFT JOIN domain_rules d ON d.attorney_id = u.id AND d.domain IN :ids
    WHERE {SERVES} AND NOT {AWAY}
    ORDER BY u.id
""")
# Never given twice, and nobody waits for it. A submission that fails takes its turn along, which evens out.
_NEXT_TURN = Sql(
    sqlite="UPDATE assignment_rules SET turn = turn + 1 RETURNING turn", postgresql="SELECT nextval('assignment_turns')"
)
_GIVE = Sql("UPDATE prospects SET attorney_id = :attorney_id, assigned_at = :now WHERE id = :prospect_id")


class Choice(NamedTuple):
    """Who gets the prospect, and by which rule: "in turn" or "corp.example"."""

    attorney_id: int
    email: str
    rule: str


def choose(connection: Connection, email: str, *, today: date) -> Choice | None:
    """Return who gets the new prospect with this normalised address, or None: the helpdesk.

    The rule of the longest domain that has someone who is there goes first. `today` is the firm's day.
    """
    there = _THERE.rows(connection, ids=id_list(connection, _domains(email)), today=today.isoformat())
    by_domain = [Choice(row[0], row[1], row[2]) for row in there if row[2]]
    if by_domain:
        return max(by_domain, key=lambda choice: len(choice.rule))
    in_turn = [Choice(row[0], row[1], "in turn") for row in there if row[3]]
    if not in_turn:
        return None
    turn: int = _NEXT_TURN.rows(connection)[0][0]
    return in_turn[turn % len(in_turn)]


def giving(choice: Choice, *, prospect_id: int, lead_id: int, now: str) -> tuple[Step, Step]:
    """Return the statements that give the prospect to whoever was chosen, and tell of it in the first lead's log."""
    data = {"attorney": {"old": None, "new": choice.email}, "rule": choice.rule}
    return (
        (_GIVE, {"prospect_id": prospect_id, "attorney_id": choice.attorney_id, "now": now}),
        recording(lead_id, kind=EventKind.ASSIGNED, actor=SYSTEM, at=now, data=data),
    )


def _domains(email: str) -> list[str]:
    """Return the domain of a normalised address, and those above it that have a dot."""
    labels = email.rpartition("@")[2].split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]

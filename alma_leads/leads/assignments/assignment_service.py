"""Use cases of assignments: which attorney has which prospect. Each is one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.email_address import normalise_email
from alma_leads.extensions import db
from alma_leads.leads.assignments import absences
from alma_leads.leads.assignments.assignment_file import BadLine, Line, read_lines
from alma_leads.leads.assignments.assignments import Held, assignments_said, give, take, tell
from alma_leads.leads.core.attorneys import SERVES, Attorney, attorney_with, find_people
from alma_leads.leads.core.errors import AssignedMeanwhile, AssignmentNotFound, BadAssignments, NotAnActiveAttorney

EXPORT_BATCH = 1000

_ACTIVE_ATTORNEYS = Sql(f"SELECT u.id, u.email, u.name FROM users u WHERE {SERVES} ORDER BY u.name, u.id")
_TAKE_PROSPECT = Sql("""
    INSERT INTO prospects (email, lead_count) VALUES (:email, 0)
    ON CONFLICT (email) DO UPDATE SET lead_count = prospects.lead_count
    RETURNING id, attorney_id
""")
_HOLD_PROSPECT = Sql("""
    UPDATE prospects SET lead_count = lead_count WHERE email = :email AND attorney_id IS NOT NULL
    RETURNING id, attorney_id
""")
_NEWEST_LEAD = Sql("SELECT max(id) FROM leads WHERE prospect_id = :id")
_COUNT = Sql("SELECT count(*) FROM prospects WHERE attorney_id IS NOT NULL")
_ONE = Sql("""
    SELECT p.id, p.email, u.email, u.name, p.assigned_at, p.lead_count
    FROM prospects p JOIN users u ON u.id = p.attorney_id WHERE p.email = :email
""")
_PAGE = Sql("""
    SELECT p.id, p.email, u.email, u.name, p.assigned_at, p.lead_count
    FROM prospects p JOIN users u ON u.id = p.attorney_id
    WHERE p.attorney_id IS NOT NULL AND p.email > :after ORDER BY p.email, p.id LIMIT :limit
""")
_SEARCH = Sql(
    sqlite="""
    SELECT p.id, p.email, u.email, u.name, p.assigned_at, p.lead_count
    FROM prospects p JOIN users u ON u.id = p.attorney_id
    WHERE p.attorney_id IS NOT NULL AND p.email > :after AND instr(p.email, :query) > 0
    ORDER BY p.email, p.id LIMIT :limit
    """,
    postgresql="""
    SELECT p.id, p.email, u.email, u.name, p.assigned_at, p.lead_count
    FROM prospects p JOIN users u ON u.id = p.attorney_id
    WHERE p.attorney_id IS NOT NULL AND p.email > :after AND position(:query in p.email) > 0
    ORDER BY p.email, p.id LIMIT :limit
    """,
)


class Assignment(NamedTuple):
    """A prospect's address and who has it."""

    prospect_id: int
    email: str
    attorney_email: str
    attorney_name: str
    assigned_at: str
    lead_count: int


def active_attorneys() -> list[Attorney]:
    """Return the people who can be given prospects, by name."""
    with reading(db.engine) as connection:
        away = absences.away_on(connection, absences.today(connection))
        return [Attorney(*row)._replace(away_until=away.get(row[0])) for row in _ACTIVE_ATTORNEYS.rows(connection)]


def find_attorney(email: str) -> Attorney:
    """Return the active attorney with this address.

    Raises:
        NotAnActiveAttorney: there is none.
    """
    with reading(db.engine) as connection:
        return attorney_with(connection, email)


def find_assignment(email: str) -> Assignment:
    """Return who has the prospect with this address.

    Raises:
        BadEmailAddress: the address cannot be one.
        AssignmentNotFound: nobody has it.
    """
    normalised = normalise_email(email)
    with reading(db.engine) as connection:
        row = _ONE.row(connection, email=normalised)
    if row is None:
        raise AssignmentNotFound(normalised)
    return Assignment(*row)


def list_assignments(*, after: str = "", query: str = "", limit: int = 50) -> list[Assignment]:
    """Return assignments by the prospect's address: the `limit` first after `after` that contain `query`."""
    with reading(db.engine) as connection:
        if query:
            rows = _SEARCH.rows(connection, after=after, query=query.strip().casefold(), limit=limit)
        else:
            rows = _PAGE.rows(connection, after=after, limit=limit)
        return [Assignment(*row) for row in rows]


def export_assignments(*, actor: Actor) -> Iterator[Assignment]:
    """Yield every assignment by the prospect's address, read in batches; it is written down first that `actor` did."""
    with transaction_on(db.engine) as connection:
        count = _COUNT.rows(connection)[0][0]
        trail.record(connection, Action.ASSIGNMENTS_EXPORTED, actor=actor, subject=assignments_said(count), count=count)
    after = ""
    while batch := list_assignments(after=after, limit=EXPORT_BATCH):
        yield from batch
        after = batch[-1].email


def assign(email: str, *, attorney_email: str, actor: Actor, seen: str | None = None) -> Assignment:
    """Give a prospect, known or not yet, to an attorney. Leads that exist get an event each, and the attorney is told.

    Args:
        email: the prospect's address.
        attorney_email: the attorney's.
        actor: who does it.
        seen: the address of the attorney that the caller saw there, "" for none; None when the caller saw nothing.

    Raises:
        BadEmailAddress: the prospect's address cannot be one.
        NotAnActiveAttorney: the other address is not an active attorney's.
        AssignedMeanwhile: the prospect is with neither of the two.
    """
    normalised = normalise_email(email)
    with transaction_on(db.engine) as connection:
        attorney = attorney_with(connection, attorney_email)
        held = _take(connection, normalised)
        if held.attorney_id != attorney.id:
            _check_seen(connection, normalised, held, seen)
            give(connection, [held], attorney=attorney, actor=actor)
            _note(connection, held, attorney, actor=actor)
            tell(connection, [held.prospect_id], attorney=attorney, actor=actor)
    return find_assignment(normalised)


def unassign(email: str, *, actor: Actor, seen: str | None = None) -> None:
    """Take a prospect from its attorney: later leads go to the helpdesk. For `seen` see `assign`.

    Raises:
        BadEmailAddress: the address cannot be one.
        AssignmentNotFound: nobody had it.
        AssignedMeanwhile: another one had it.
    """
    normalised = normalise_email(email)
    with transaction_on(db.engine) as connection:
        row = _HOLD_PROSPECT.row(connection, email=normalised)
        if row is None:
            raise AssignmentNotFound(normalised)
        held = Held(*row)
        _check_seen(connection, normalised, held, seen)
        give(connection, [held], attorney=None, actor=actor)
        _note(connection, held, None, actor=actor)


def import_assignments(content: bytes, *, actor: Actor) -> int:
    """Assign the prospects of a CSV file, all or none, and return how many lines there were.

    Raises:
        BadFile: it cannot be read.
        BadAssignments: lines that cannot be used, each with a sentence.
    """
    lines = list(read_lines(content))
    problems = [(line.number, f"{line.value!r}: {line.remedy}") for line in lines if isinstance(line, BadLine)]
    wanted: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if isinstance(line, Line):
            wanted[line.attorney].append(line)
    changed = 0
    with transaction_on(db.engine) as connection:
        attorneys: dict[Attorney, list[Line]] = {}
        for typed, group in wanted.items():
            try:
                attorneys.setdefault(attorney_with(connection, typed), []).extend(group)
            except NotAnActiveAttorney as error:
                said = str(error) if typed else "No attorney is named. Remove assignments on the desk"
                problems += [(line.number, said) for line in group]
        if problems:
            raise BadAssignments(sorted(problems))
        held = take(connection, [line.email for group in attorneys.values() for line in group])
        for attorney, group in attorneys.items():
            moved = [held[line.email] for line in group if held[line.email].attorney_id != attorney.id]
            give(connection, moved, attorney=attorney, actor=actor)
            tell(connection, [each.prospect_id for each in moved], attorney=attorney, actor=actor)
            changed += len(moved)
        trail.record(
            connection,
            Action.ASSIGNMENTS_IMPORTED,
            actor=actor,
            subject=assignments_said(len(lines)),
            count=len(lines),
            changed=changed,
        )
    return len(lines)


def _take(connection: Connection, normalised: str) -> Held:
    row = _TAKE_PROSPECT.row(connection, email=normalised)
    assert row is not None
    return Held(*row)


def _check_seen(connection: Connection, email: str, held: Held, seen: str | None) -> None:
    if seen is None:
        return
    owner = _owner(connection, held)
    if (owner.email if owner else "") != seen:
        raise AssignedMeanwhile(email, owner.name if owner else None)


def _owner(connection: Connection, held: Held) -> Attorney | None:
    return find_people(connection, [held.attorney_id])[0] if held.attorney_id else None


def _note(connection: Connection, held: Held, attorney: Attorney | None, *, actor: Actor) -> None:
    """Write into the audit log who has a prospect now, who is named by the newest lead rather than by the address."""
    lead_id = _NEWEST_LEAD.rows(connection, id=held.prospect_id)[0][0]
    owner = _owner(connection, held)
    trail.record(
        connection,
        Action.ASSIGNED if attorney else Action.UNASSIGNED,
        actor=actor,
        subject=f"lead {lead_id}" if lead_id else f"prospect {held.prospect_id}",
        old=owner.name if owner else None,
        new=attorney.name if attorney else None,
    )

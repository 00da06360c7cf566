"""Use cases of assignments: which attorney has which prospect. Each is one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import User
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.email_address import normalise_email
from alma_leads.common.extensions import db
from alma_leads.database.session import transaction
from alma_leads.leads.assignments.absences import AWAY_UNTIL, get_today
from alma_leads.leads.assignments.assignment_file import BadLine, Line, read_lines
from alma_leads.leads.assignments.assignments import (
    LOCK,
    LockedProspect,
    assign_prospects,
    count_of_assignments,
    lock_prospects,
    notify_attorney,
)
from alma_leads.leads.core import attorneys
from alma_leads.leads.core.attorneys import IS_ACTIVE_ATTORNEY, Attorney
from alma_leads.leads.core.errors import AssignedMeanwhile, AssignmentNotFound, BadAssignments, NotAnActiveAttorney
from alma_leads.leads.core.models import Lead, Prospect

EXPORT_BATCH = 1000

# A prospect with an attorney: its columns by the names below.
Assignment: TypeAlias = Row[int, str, str, str, datetime | None, int]
_ASSIGNMENTS = (
    select(
        Prospect.id.label("prospect_id"),
        Prospect.email,
        User.email.label("attorney_email"),
        User.name.label("attorney_name"),
        Prospect.assigned_at,
        Prospect.lead_count,
    )
    .join(User, User.id == Prospect.attorney_id)
    .order_by(Prospect.email, Prospect.id)
)
_ATTORNEYS = select(User.id, User.email, User.name, AWAY_UNTIL).where(IS_ACTIVE_ATTORNEY).order_by(User.name, User.id)


def active_attorneys() -> list[Attorney]:
    """Return the users who can be assigned prospects, by name."""
    rows = db.session.execute(_ATTORNEYS, {"today": get_today(db.session())})
    return [Attorney(row.id, row.email, row.name, row.away_until) for row in rows]


def get_attorney(email: str) -> User:
    """Return the active attorney with this email address.

    Raises:
        NotAnActiveAttorney: there is none.
    """
    return attorneys.get_attorney(db.session(), email)


def get_assignment(email: str) -> Assignment:
    """Return the assignment of the prospect with this email address.

    Raises:
        BadEmailAddress: the address is not valid.
        AssignmentNotFound: the prospect has no attorney.
    """
    normalised = normalise_email(email)
    row = db.session.execute(_ASSIGNMENTS.where(Prospect.email == normalised)).one_or_none()
    if row is None:
        raise AssignmentNotFound(normalised)
    return row


def list_assignments(*, after: str = "", query: str = "", limit: int = 50) -> Sequence[Assignment]:
    """Return assignments by the prospect's address: the first `limit` after `after` that contain `query`."""
    found = _ASSIGNMENTS.where(Prospect.email > after).limit(limit)
    if query:
        found = found.where(Prospect.email.contains(query.strip().casefold(), autoescape=True))
    return db.session.execute(found).all()


def export_assignments(*, actor: Actor) -> Iterator[Assignment]:
    """Yield every assignment by the prospect's address, read in batches. The audit log records the export first."""
    with transaction() as session:
        count = session.execute(select(func.count()).where(Prospect.attorney_id.is_not(None))).scalar_one()
        trail.record(
            session.connection(),
            Action.ASSIGNMENTS_EXPORTED,
            actor=actor,
            subject=count_of_assignments(count),
            count=count,
        )
    after = ""
    while batch := list_assignments(after=after, limit=EXPORT_BATCH):
        db.session.close()  # a client that reads slowly holds no connection
        yield from batch
        after = batch[-1].email


def assign(email: str, *, attorney_email: str, actor: Actor, expected_attorney: str | None = None) -> Assignment:
    """Assign a prospect, known or not, to an attorney. Each lead gets an event, and the attorney is notified.

    Args:
        email: the prospect's address.
        attorney_email: the attorney's.
        actor: who does it.
        expected_attorney: the address of the attorney that the caller saw, "" for none; None to accept any.

    Raises:
        BadEmailAddress: the prospect's address is not valid.
        NotAnActiveAttorney: the other address is not an active attorney's.
        AssignedMeanwhile: the prospect is with neither of the two.
    """
    normalised = normalise_email(email)
    with transaction() as session:
        attorney = attorneys.get_attorney(session, attorney_email)
        prospect = lock_prospects(session, [normalised])[normalised]
        if prospect.attorney_id != attorney.id:
            _move(session, prospect, attorney, actor, expected_attorney)
            notify_attorney(session, [prospect], attorney=attorney, actor=actor)
    return get_assignment(normalised)


def unassign(email: str, *, actor: Actor, expected_attorney: str | None = None) -> None:
    """Take a prospect from its attorney: later leads go to the helpdesk. For `expected_attorney` see `assign`.

    Raises:
        BadEmailAddress: the address is not valid.
        AssignmentNotFound: the prospect has no attorney.
        AssignedMeanwhile: another attorney has it.
    """
    normalised = normalise_email(email)
    with transaction() as session:
        prospect = session.execute(LOCK.where(Prospect.email == normalised)).one_or_none()
        if prospect is None or prospect.attorney_id is None:
            raise AssignmentNotFound(normalised)
        _move(session, prospect, None, actor, expected_attorney)


def import_assignments(content: bytes, *, actor: Actor) -> int:
    """Assign the prospects of a CSV file, all or none, and return how many lines there were.

    Raises:
        BadFile: it cannot be read.
        BadAssignments: some lines cannot be used.
    """
    lines = list(read_lines(content))
    with transaction() as session:
        by_attorney = _lines_by_attorney(session, lines)
        locked = lock_prospects(session, [line.email for group in by_attorney.values() for line in group])
        changed = 0
        for attorney, group in by_attorney.items():
            prospects = [locked[line.email] for line in group]
            moved = [prospect for prospect in prospects if prospect.attorney_id != attorney.id]
            assign_prospects(session, moved, attorney=attorney, actor=actor)
            notify_attorney(session, moved, attorney=attorney, actor=actor)
            changed += len(moved)
        trail.record(
            session.connection(),
            Action.ASSIGNMENTS_IMPORTED,
            actor=actor,
            subject=count_of_assignments(len(lines)),
            count=len(lines),
            changed=changed,
        )
    return len(lines)


def _lines_by_attorney(session: Session, lines: Sequence[Line | BadLine]) -> dict[User, list[Line]]:
    problems = [(line.number, f"{line.value!r}: {line.remedy}") for line in lines if isinstance(line, BadLine)]
    by_address: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if isinstance(line, Line):
            by_address[line.attorney].append(line)
    by_attorney: dict[User, list[Line]] = defaultdict(list)
    for typed, group in by_address.items():
        try:
            by_attorney[attorneys.get_attorney(session, typed)] += group
        except NotAnActiveAttorney as error:
            problem = str(error) if typed else "No attorney is named. Remove assignments on the desk"
            problems += [(line.number, problem) for line in group]
    if problems:
        raise BadAssignments(sorted(problems))
    return by_attorney


def _move(
    session: Session, prospect: LockedProspect, attorney: User | None, actor: Actor, expected_attorney: str | None
) -> None:
    """Assign a locked prospect to an attorney, None for the helpdesk, and record that in the audit log.

    The log identifies prospects by their newest lead rather than by their address.
    """
    owner = session.get_one(User, prospect.attorney_id) if prospect.attorney_id else None
    if expected_attorney is not None and expected_attorney != (owner.email if owner else ""):
        raise AssignedMeanwhile(prospect.email, owner.name if owner else None)
    assign_prospects(session, [prospect], attorney=attorney, actor=actor)
    lead_id = session.scalar(select(func.max(Lead.id)).where(Lead.prospect_id == prospect.id))
    trail.record(
        session.connection(),
        Action.ASSIGNED if attorney else Action.UNASSIGNED,
        actor=actor,
        subject=f"lead {lead_id}" if lead_id else f"prospect {prospect.id}",
        old=owner.name if owner else None,
        new=attorney.name if attorney else None,
    )

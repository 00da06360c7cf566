"""Use cases of assignments: which attorney has which prospect. Each is one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads import audit
from alma_leads.actor import SYSTEM, Actor
from alma_leads.audit import Action
from alma_leads.database import Sql, reading, to_stamp, transaction, utc_now
from alma_leads.email_address import BadEmailAddress, normalise_email
from alma_leads.extensions import db
from alma_leads.leads.errors import AssignedMeanwhile, AssignmentNotFound, BadAssignments, NotAnActiveAttorney
from alma_leads.leads.events import EventKind, record_for_prospect
from alma_leads.leads.first_contact import SETTLED

EXPORT_BATCH = 1000

_ATTORNEY = Sql("""
    SELECT id, email, name FROM users WHERE email = :email AND active AND role IN ('administrator', 'attorney')
""")
_ACTIVE_ATTORNEYS = Sql("""
    SELECT id, email, name FROM users WHERE active AND role IN ('administrator', 'attorney') ORDER BY name, id
""")
_TAKE_PROSPECT = Sql("""
    INSERT INTO prospects (email, lead_count) VALUES (:email, 0)
    ON CONFLICT (email) DO UPDATE SET lead_count = prospects.lead_count
    RETURNING id, attorney_id
""")
_HOLD_PROSPECT = Sql("""
    UPDATE prospects SET lead_count = lead_count WHERE email = :email AND attorney_id IS NOT NULL
    RETURNING id, attorney_id
""")
_WHO_IS = Sql("SELECT id, email, name FROM users WHERE id = :id")
_NEWEST_LEAD = Sql("SELECT max(id) FROM leads WHERE prospect_id = :id")
_COUNT = Sql("SELECT count(*) FROM prospects WHERE attorney_id IS NOT NULL")
_SET_PROSPECT = Sql("UPDATE prospects SET attorney_id = :attorney_id, assigned_at = :assigned_at WHERE id = :id")
_SET_LEADS = Sql("UPDATE leads SET attorney_id = :attorney_id, updated_at = :now WHERE prospect_id = :id")
_SETTLE_LEADS = Sql(f"UPDATE leads SET {SETTLED} WHERE prospect_id = :id AND reminders < 2")
_ONE = Sql("""
    SELECT p.id, p.email, u.email, u.name, p.assigned_at, p.lead_count
    FROM prospects p JOIN users u ON u.id = p.attorney_id WHERE p.email = :email
""")
_PAGE = Sql("""
    SELECT p.id, p.email, u.email, u.name, p.assigned_at, p.lead_count
    FROM prospects p JOIN users u ON u.id = p.attorney_id
    WHERE p.email > :after ORDER BY p.email, p.id LIMIT :limit
""")
_SEARCH = Sql(
    sqlite="""
    SELECT p.id, p.email, u.email, u.name, p.assigned_at, p.lead_count
    FROM prospects p JOIN users u ON u.id = p.attorney_id
    WHERE p.email > :after AND instr(p.email, :query) > 0 ORDER BY p.email, p.id LIMIT :limit
    """,
    postgresql="""
    SELECT p.id, p.email, u.email, u.name, p.assigned_at, p.lead_count
    FROM prospects p JOIN users u ON u.id = p.attorney_id
    WHERE p.email > :after AND position(:query in p.email) > 0 ORDER BY p.email, p.id LIMIT :limit
    """,
)


class Attorney(NamedTuple):
    """Someone who can have prospects."""

    id: int
    email: str
    name: str


class Assignment(NamedTuple):
    """A prospect's address and who has it."""

    prospect_id: int
    email: str
    attorney_email: str
    attorney_name: str
    assigned_at: str
    lead_count: int


class _Change(NamedTuple):
    """A prospect's number, and the names of who had it and who has it now."""

    prospect_id: int
    old: str | None
    new: str | None


def active_attorneys() -> list[Attorney]:
    """Return the people who can be given prospects, by name."""
    with reading(db.engine) as connection:
        return [Attorney(*row) for row in _ACTIVE_ATTORNEYS.rows(connection)]


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
    with transaction(db.engine) as connection:
        count = _COUNT.rows(connection)[0][0]
        audit.record(connection, Action.ASSIGNMENTS_EXPORTED, actor=actor, subject=_assignments(count), count=count)
    after = ""
    while batch := list_assignments(after=after, limit=EXPORT_BATCH):
        yield from batch
        after = batch[-1].email


def assign(email: str, *, attorney_email: str, actor: Actor, seen: str | None = None) -> Assignment:
    """Give a prospect, known or not yet, to an attorney. Leads that exist get an event each.

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
    with transaction(db.engine) as connection:
        attorney = _find_attorney(connection, attorney_email)
        changed = _assign(connection, normalised, attorney, actor, seen)
        if changed is not None:
            _note(connection, changed, actor=actor)
    return find_assignment(normalised)


def unassign(email: str, *, actor: Actor, seen: str | None = None) -> None:
    """Take a prospect from its attorney: later leads go to the helpdesk. For `seen` see `assign`.

    Raises:
        BadEmailAddress: the address cannot be one.
        AssignmentNotFound: nobody had it.
        AssignedMeanwhile: another one had it.
    """
    normalised = normalise_email(email)
    with transaction(db.engine) as connection:
        held = _HOLD_PROSPECT.row(connection, email=normalised)
        if held is None:
            raise AssignmentNotFound(normalised)
        _check_seen(connection, normalised, held[1], seen)
        _note(connection, _change(connection, *held, attorney=None, actor=actor), actor=actor)


def import_assignments(pairs: Iterable[tuple[int, str, str]], *, actor: Actor) -> int:
    """Assign many at once, all or none, and return how many pairs there were.

    Args:
        pairs: (line number, prospect's address, attorney's address).
        actor: who imports.

    Raises:
        BadAssignments: lines that cannot be used, each with a sentence.
    """
    problems: list[tuple[int, str]] = []
    attorneys: dict[str, Attorney] = {}
    count, changed = 0, 0
    with transaction(db.engine) as connection:
        for line, email, attorney_email in pairs:
            count += 1
            try:
                if attorney_email not in attorneys:
                    attorneys[attorney_email] = _find_attorney(connection, attorney_email)
                if _assign(connection, normalise_email(email), attorneys[attorney_email], actor) is not None:
                    changed += 1
            except BadEmailAddress:
                problems.append((line, f"{email!r} is not an email address"))
            except NotAnActiveAttorney as error:
                problems.append((line, str(error)))
        if problems:
            raise BadAssignments(problems)
        audit.record(
            connection,
            Action.ASSIGNMENTS_IMPORTED,
            actor=actor,
            subject=_assignments(count),
            count=count,
            changed=changed,
        )
    return count


def _find_attorney(connection: Connection, email: str) -> Attorney:
    try:
        row = _ATTORNEY.row(connection, email=normalise_email(email.strip()))
    except BadEmailAddress:
        row = None
    if row is None:
        raise NotAnActiveAttorney(email)
    return Attorney(*row)


def _assign(
    connection: Connection, normalised: str, attorney: Attorney, actor: Actor, seen: str | None = None
) -> _Change | None:
    row = _TAKE_PROSPECT.row(connection, email=normalised)
    assert row is not None
    if row[1] == attorney.id:
        return None
    _check_seen(connection, normalised, row[1], seen)
    return _change(connection, row[0], row[1], attorney=attorney, actor=actor)


def _check_seen(connection: Connection, email: str, attorney_id: int | None, seen: str | None) -> None:
    if seen is None:
        return
    row = _WHO_IS.row(connection, id=attorney_id) if attorney_id else None
    if (row[1] if row else "") != seen:
        raise AssignedMeanwhile(email, row[2] if row else None)


def _change(
    connection: Connection, prospect_id: int, old_id: int | None, *, attorney: Attorney | None, actor: Actor
) -> _Change:
    now = to_stamp(utc_now())
    row = _WHO_IS.row(connection, id=old_id) if old_id else None
    old = Attorney(*row) if row else None
    new_id = attorney.id if attorney else None
    _SET_PROSPECT.run(connection, id=prospect_id, attorney_id=new_id, assigned_at=now if attorney else None)
    _SET_LEADS.run(connection, id=prospect_id, attorney_id=new_id, now=now)
    if actor != SYSTEM:  # whoever assigns a lead has seen it
        _SETTLE_LEADS.run(connection, id=prospect_id)
    change = {"attorney": {"old": old.email if old else None, "new": attorney.email if attorney else None}}
    kind = EventKind.ASSIGNED if attorney else EventKind.UNASSIGNED
    record_for_prospect(connection, prospect_id, kind=kind, actor=actor, at=now, data=change)
    return _Change(prospect_id, old.name if old else None, attorney.name if attorney else None)


def _note(connection: Connection, change: _Change, *, actor: Actor) -> None:
    """Write into the audit log who has a prospect now, who is named by the newest lead rather than by the address."""
    lead_id = _NEWEST_LEAD.rows(connection, id=change.prospect_id)[0][0]
    subject = f"lead {lead_id}" if lead_id else f"prospect {change.prospect_id}"
    action = Action.ASSIGNED if change.new else Action.UNASSIGNED
    audit.record(connection, action, actor=actor, subject=subject, old=change.old, new=change.new)


def _assignments(count: int) -> str:
    return "1 assignment" if count == 1 else f"{count} assignments"

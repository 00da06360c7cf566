"""Use cases of assignments: which attorney has which prospect. Each is one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads import audit
from alma_leads.actor import Actor
from alma_leads.audit import Action
from alma_leads.database import Sql, reading, transaction
from alma_leads.email_address import BadEmailAddress, normalise_email
from alma_leads.extensions import db
from alma_leads.leads import absences
from alma_leads.leads.assignments import Attorney, Held, attorney_with, find_people, give, hold_prospects_of, tell
from alma_leads.leads.errors import AssignedMeanwhile, AssignmentNotFound, BadAssignments, NotAnActiveAttorney

EXPORT_BATCH = 1000
LEADS_BATCH = 500  # a write transaction of this many is over before anyone notices the wait

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
_NEWEST_LEAD = Sql("SELECT max(id) FROM leads WHERE prospect_id = :id")
_COUNT = Sql("SELECT count(*) FROM prospects WHERE attorney_id IS NOT NULL")
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


class Assignment(NamedTuple):
    """A prospect's address and who has it."""

    prospect_id: int
    email: str
    attorney_email: str
    attorney_name: str
    assigned_at: str
    lead_count: int


class Moved(NamedTuple):
    """How many prospects have another attorney now, and how many leads came along with them."""

    prospects: int
    leads: int


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
    with transaction(db.engine) as connection:
        count = _COUNT.rows(connection)[0][0]
        audit.record(connection, Action.ASSIGNMENTS_EXPORTED, actor=actor, subject=_assignments(count), count=count)
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
    with transaction(db.engine) as connection:
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
    with transaction(db.engine) as connection:
        row = _HOLD_PROSPECT.row(connection, email=normalised)
        if row is None:
            raise AssignmentNotFound(normalised)
        held = Held(*row)
        _check_seen(connection, normalised, held, seen)
        give(connection, [held], attorney=None, actor=actor)
        _note(connection, held, None, actor=actor)


def assign_leads(lead_ids: Iterable[int], *, attorney_email: str, actor: Actor) -> Moved:
    """Give the prospects of these leads, however many, to an attorney, or to the helpdesk when the address is empty.

    Each lead of such a prospect gets its event, and the attorney gets one e-mail about all of them. It is done in
    batches, each a transaction: when it is cut short, what is done is done and the attorney knows of it.

    Args:
        lead_ids: numbers of leads; those that do not exist, and prospects whom the attorney has, are passed over.
        attorney_email: the attorney's address, or "".
        actor: who does it.

    Raises:
        NotAnActiveAttorney: the address is not an active attorney's. Nothing is changed by the batch that finds it so.
    """
    prospects, leads, told = 0, 0, False
    for batch in _batches(lead_ids):
        with transaction(db.engine) as connection:
            attorney = attorney_with(connection, attorney_email) if attorney_email else None
            new_id = attorney.id if attorney else None
            held = [each for each in hold_prospects_of(connection, batch) if each.attorney_id != new_id]
            if not held:
                continue
            leads += give(connection, held, attorney=attorney, actor=actor)
            prospects += len(held)
            action = Action.ASSIGNED if attorney else Action.UNASSIGNED
            subject = "1 prospect" if len(held) == 1 else f"{len(held)} prospects"
            audit.record(connection, action, actor=actor, subject=subject, new=attorney.name if attorney else None)
            told = told or tell(connection, [each.prospect_id for each in held], attorney=attorney, actor=actor)
    return Moved(prospects, leads)


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
    changed: dict[Attorney, list[int]] = defaultdict(list)
    count = 0
    with transaction(db.engine) as connection:
        for line, email, attorney_email in pairs:
            count += 1
            try:
                if attorney_email not in attorneys:
                    attorneys[attorney_email] = attorney_with(connection, attorney_email)
                attorney = attorneys[attorney_email]
                held = _take(connection, normalise_email(email))
                if held.attorney_id != attorney.id:
                    give(connection, [held], attorney=attorney, actor=actor)
                    changed[attorney].append(held.prospect_id)
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
            changed=sum(map(len, changed.values())),
        )
        for attorney, prospect_ids in changed.items():
            tell(connection, prospect_ids, attorney=attorney, actor=actor)
    return count


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
    audit.record(
        connection,
        Action.ASSIGNED if attorney else Action.UNASSIGNED,
        actor=actor,
        subject=f"lead {lead_id}" if lead_id else f"prospect {held.prospect_id}",
        old=owner.name if owner else None,
        new=attorney.name if attorney else None,
    )


def _assignments(count: int) -> str:
    return "1 assignment" if count == 1 else f"{count} assignments"


def _batches(numbers: Iterable[int]) -> Iterator[Sequence[int]]:
    rest = iter(numbers)
    while batch := tuple(islice(rest, LEADS_BATCH)):
        yield batch

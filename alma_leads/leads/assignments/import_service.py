"""Use cases of an import of assignments on the desk: preview what a file would change, then apply exactly that.

The file is read once. Each line that would change something is stored with the attorney whom the prospect had then.
Lines are applied in batches, each a transaction, and a prospect whom somebody has assigned meanwhile is left out. So
nothing is changed that was not shown, and applying may be interrupted or requested twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Row, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session, aliased, undefer

from alma_leads.accounts.core.models import User
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.email_address import BadEmailAddress, normalise_email
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.assignments.assignment_file import BadLine, Line, read_lines
from alma_leads.leads.assignments.assignment_service import active_attorneys
from alma_leads.leads.assignments.assignments import (
    LockedProspect,
    assign_prospects,
    count_of_assignments,
    lock_prospects,
    notify_attorney,
)
from alma_leads.leads.assignments.models import AssignmentImport, AssignmentImportLine
from alma_leads.leads.core.attorneys import list_active_attorneys
from alma_leads.leads.core.errors import ImportNotFound
from alma_leads.leads.core.models import Prospect

MAX_LINES = 100_000
PREVIEW_BATCH = 5000
BATCH = 500  # a write transaction of this many is over before anyone notices the wait
KEPT_FOR = timedelta(days=1)

_OWNERS = select(Prospect.email, Prospect.attorney_id).where(Prospect.email.in_(bindparam("emails", expanding=True)))
_OLD, _NEW = aliased(User), aliased(User)
# A line with the names of the attorneys. Of a bad line, `value` is the text in the column `field`.
ImportLine: TypeAlias = Row[int, str, str, str, str, str, str, str]
_LINES = (
    select(
        AssignmentImportLine.number,
        AssignmentImportLine.kind,
        AssignmentImportLine.value,
        _OLD.name.label("old"),
        _NEW.name.label("new"),
        AssignmentImportLine.field,
        AssignmentImportLine.remedy,
        AssignmentImportLine.outcome,
    )
    .outerjoin(_OLD, _OLD.id == AssignmentImportLine.old_id)
    .outerjoin(_NEW, _NEW.id == AssignmentImportLine.new_id)
    .order_by(AssignmentImportLine.number)
)
_NEXT_LINES = (
    select(
        AssignmentImportLine.number,
        AssignmentImportLine.value,
        AssignmentImportLine.old_id,
        AssignmentImportLine.new_id,
    )
    .where(
        AssignmentImportLine.import_id == bindparam("import_id"),
        AssignmentImportLine.number > bindparam("after"),
        AssignmentImportLine.kind != "bad",
        AssignmentImportLine.outcome == "",
    )
    .order_by(AssignmentImportLine.number)
    .limit(BATCH)
)
_SET_OUTCOME = (
    update(AssignmentImportLine)
    .where(
        AssignmentImportLine.import_id == bindparam("of_import"),
        AssignmentImportLine.number.in_(bindparam("numbers", expanding=True)),
    )
    .values(outcome=bindparam("new_outcome"))
)


def preview_import(content: bytes, *, file_name: str, actor: Actor) -> int:
    """Read a file, store what it would change for a day, and return the id of the import.

    Raises:
        BadFile: the file cannot be read.
    """
    lines = iter(list(read_lines(content, most=MAX_LINES)))
    attorneys = {attorney.email: attorney.id for attorney in active_attorneys()}
    with transaction() as session:
        created = AssignmentImport(file_name=file_name[:200], made_at=utc_now(), made_by=actor.name)
        session.add(created)
    counts: Counter[str] = Counter()
    while batch := list(islice(lines, PREVIEW_BATCH)):
        emails = [line.email for line in batch if isinstance(line, Line)]
        owners = {row.email: row.attorney_id for row in db.session.execute(_OWNERS, {"emails": emails})}
        rows = [_row(line, attorneys, owners) for line in batch]
        counts.update(row["kind"] for row in rows)
        changes = [{"import_id": created.id, **row} for row in rows if row["kind"] != "unchanged"]
        if changes:
            with transaction() as session:
                session.execute(insert(AssignmentImportLine), changes)
    with transaction() as session:
        found = session.get_one(AssignmentImport, created.id)
        for kind in ("new", "changed", "removed", "unchanged", "bad"):
            setattr(found, kind, counts[kind])
        found.ready = True
    return created.id


def _row(line: Line | BadLine, attorneys: dict[str, int], owners: dict[str, int | None]) -> dict[str, Any]:
    """Return the columns of a line as it is stored."""
    if isinstance(line, BadLine):
        return _bad(line.number, line.value, line.field, line.remedy)
    old, new = owners.get(line.email), None
    if line.attorney:
        try:
            new = attorneys[normalise_email(line.attorney)]
        except (BadEmailAddress, KeyError):
            remedy = "No active attorney has this address. Invite the person first, or name another"
            return _bad(line.number, line.attorney, "attorney", remedy)
    kind = "unchanged" if old == new else "new" if old is None else "changed" if new else "removed"
    return {"number": line.number, "kind": kind, "value": line.email, "old_id": old, "new_id": new} | _NO_REMEDY


_NO_REMEDY = {"field": "", "remedy": "", "outcome": ""}


def _bad(number: int, value: str, field: str, remedy: str) -> dict[str, Any]:
    return {
        "number": number,
        "kind": "bad",
        "value": value[:254],
        "old_id": None,
        "new_id": None,
        "field": field,
        "remedy": remedy[:200],
        "outcome": "",
    }


def get_import(import_id: int) -> AssignmentImport:
    """Return an import, with how many of its lines were applied and left out.

    Raises:
        ImportNotFound: there is none, or it was discarded.
    """
    counts = [undefer(AssignmentImport.applied), undefer(AssignmentImport.left)]
    return _present(db.session.get(AssignmentImport, import_id, options=counts, populate_existing=True))


def list_changes(import_id: int, *, after: int, limit: int) -> Sequence[ImportLine]:
    """Return the lines that would change something, or have, after line `after`."""
    return _list_lines(import_id, limit, AssignmentImportLine.kind != "bad", AssignmentImportLine.number > after)


def list_bad_lines(import_id: int, *, limit: int) -> Sequence[ImportLine]:
    """Return the first lines that cannot be used."""
    return _list_lines(import_id, limit, AssignmentImportLine.kind == "bad")


def list_skipped_lines(import_id: int, *, limit: int) -> Sequence[ImportLine]:
    """Return the first lines that were not applied, because somebody else assigned the prospect meanwhile."""
    return _list_lines(import_id, limit, AssignmentImportLine.outcome == "left")


def _list_lines(import_id: int, limit: int, *conditions: ColumnElement[bool]) -> Sequence[ImportLine]:
    lines = _LINES.where(AssignmentImportLine.import_id == import_id, *conditions)
    return db.session.execute(lines.limit(limit)).all()


def apply_import(import_id: int, *, actor: Actor) -> None:
    """Make the changes that were shown, and notify each attorney once. What was applied already is not repeated.

    Raises:
        ImportNotFound: there is none, or it was discarded.
    """
    after: int | None = 0
    while after is not None:
        with transaction() as session:
            after = _apply_batch(session, import_id, after, actor)
    with transaction() as session:
        _finish(session, _lock_import(session, import_id), actor)


def _finish(session: Session, found: AssignmentImport, actor: Actor) -> None:
    if found.applied_at is not None:
        return
    found.applied_at = utc_now()
    trail.record(
        session.connection(),
        Action.ASSIGNMENTS_IMPORTED,
        actor=actor,
        subject=count_of_assignments(found.applied),
        count=found.applied,
        removed=found.removed,
        left_out=found.left,
        bad_lines=found.bad,
    )


def _apply_batch(session: Session, import_id: int, after: int, actor: Actor) -> int | None:
    """Apply the next lines after line `after`; return the number of the last, or None when there were none."""
    found = _lock_import(session, import_id)
    lines = session.execute(_NEXT_LINES, {"import_id": import_id, "after": after}).all()
    if not lines:
        return None
    notified = set(found.notified)
    moves, skipped = _plan(session, lines)
    for attorney, prospects in moves.items():
        assign_prospects(session, prospects, attorney=attorney, actor=actor)
        if attorney is None or attorney.id in notified:
            continue
        if notify_attorney(session, prospects, attorney=attorney, actor=actor):
            notified.add(attorney.id)
    found.notified = sorted(notified)
    applied = {line.number for line in lines} - skipped
    for outcome, numbers in (("applied", applied), ("left", skipped)):
        params = {"of_import": import_id, "numbers": sorted(numbers), "new_outcome": outcome}
        session.connection().execute(_SET_OUTCOME, params)
    last: int = lines[-1].number
    return last


def _plan(
    session: Session, lines: Sequence[Row[int, str, int | None, int | None]]
) -> tuple[dict[User | None, list[LockedProspect]], set[int]]:
    """Lock the prospects of these lines; return who gets which of them, and the numbers of lines to skip."""
    locked = lock_prospects(session, [line.value for line in lines])
    wanted = {line.new_id for line in lines if line.new_id is not None}
    attorneys = {attorney.id: attorney for attorney in list_active_attorneys(session, wanted)}
    moves: dict[User | None, list[LockedProspect]] = defaultdict(list)
    skipped = set()
    for line in lines:
        prospect = locked[line.value]
        if prospect.attorney_id == line.new_id:
            continue
        if prospect.attorney_id != line.old_id or (line.new_id is not None and line.new_id not in attorneys):
            skipped.add(line.number)
        else:
            moves[attorneys[line.new_id] if line.new_id else None].append(prospect)
    return moves, skipped


def discard_import(import_id: int, *, actor: Actor) -> bool:
    """Delete an import; return whether some of it was applied, when applying was interrupted.

    The row itself stays until it expires, so that a page that is still open finds nothing to apply.

    Raises:
        ImportNotFound: there is none, or it was discarded already.
    """
    with transaction() as session:
        found = _lock_import(session, import_id)
        any_applied = found.applied > 0
        if any_applied:
            _finish(session, found, actor)
        found.ready = False
        session.execute(delete(AssignmentImportLine).where(AssignmentImportLine.import_id == import_id))
    return any_applied


def _lock_import(session: Session, import_id: int) -> AssignmentImport:
    return _present(session.get(AssignmentImport, import_id, with_for_update=True))


def _present(found: AssignmentImport | None) -> AssignmentImport:
    if found is None or not found.ready:
        raise ImportNotFound
    return found


def purge_expired_imports() -> int:
    """Delete imports that are more than a day old; return how many there were."""
    expired = delete(AssignmentImport).where(AssignmentImport.made_at < utc_now() - KEPT_FOR)
    with transaction() as session:
        return session.connection().execute(expired).rowcount

"""Use cases of an import of assignments on the desk: looking at what a file would change, and then applying just that.

The file is read once, and each line that would change something is written down with the attorney whom the prospect
had then. Applying goes through these lines in batches, each a transaction, and leaves out a prospect whom somebody has
given away since. So nothing that was not shown is changed; it does not matter when it is cut short, nor that it is
asked for twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from itertools import islice
from typing import NamedTuple

import orjson
from sqlalchemy import Connection

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql, id_list, sql_in
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.email_address import BadEmailAddress, normalise_email
from alma_leads.extensions import db
from alma_leads.leads.assignments.assignment_file import BadLine, Line, read_lines
from alma_leads.leads.assignments.assignment_service import active_attorneys
from alma_leads.leads.assignments.assignments import Held, assignments_said, give, take, tell
from alma_leads.leads.core.attorneys import Attorney, active_people
from alma_leads.leads.core.errors import ImportNotFound

MAX_LINES = 100_000
LOOKED_UP_TOGETHER = 5000
BATCH = 500  # a write transaction of this many is over before anyone notices the wait
KEPT_FOR = timedelta(days=1)

_COUNTS = ("new", "changed", "removed", "unchanged", "bad")
_OPEN = Sql("""
    INSERT INTO assignment_imports (file_name, made_at, made_by, ready, new, changed, removed, unchanged, bad, told)
    VALUES (:file_name, :now, :made_by, FALSE, 0, 0, 0, 0, 0, '[]') RETURNING id
""")
_PRESENT = sql_in("SELECT email, attorney_id FROM prospects WHERE email IN :ids")
_COLUMNS = "number, kind, value, old_id, new_id, field, remedy"
_INTO_LINES = f"INSERT INTO assignment_import_lines (import_id, {_COLUMNS}, outcome)"
_WRITE_DOWN = Sql(
    sqlite=f"""
    {_INTO_LINES}
    SELECT :id, {", ".join(f"json_extract(value, '$[{place}]')" for place in range(7))}, '' FROM json_each(:lines)
    """,
    postgresql=f"""
    {_INTO_LINES}
    SELECT :id, CAST(value->>0 AS integer), value->>1, value->>2, CAST(value->>3 AS integer),
           CAST(value->>4 AS integer), value->>5, value->>6, ''
    FROM json_array_elements(CAST(:lines AS json))
    """,
)
_READY = Sql(f"""
    UPDATE assignment_imports SET ready = TRUE, {", ".join(f"{name} = :{name}" for name in _COUNTS)} WHERE id = :id
""")
_GET = Sql(f"""
    SELECT id, file_name, made_at, made_by, applied_at, {", ".join(_COUNTS)} FROM assignment_imports
    WHERE id = :id AND ready
""")
_DONE = Sql("""
    SELECT outcome, count(*) FROM assignment_import_lines WHERE import_id = :id AND outcome <> '' GROUP BY outcome
""")
_LINES = """
    SELECT l.number, l.kind, l.value, a.name, b.name, l.field, l.remedy, l.outcome
    FROM assignment_import_lines l LEFT JOIN users a ON a.id = l.old_id LEFT JOIN users b ON b.id = l.new_id
    WHERE l.import_id = :id AND l.number > :after AND {which} ORDER BY l.number LIMIT :limit
"""
_CHANGES = Sql(_LINES.format(which="l.kind <> 'bad'"))
_BAD = Sql(_LINES.format(which="l.kind = 'bad'"))
_LEFT = Sql(_LINES.format(which="l.outcome = 'left'"))
# Two who apply it at once take turns, batch by batch.
_TOLD = "SELECT told FROM assignment_imports WHERE id = :id AND ready"
_HOLD = Sql(sqlite=_TOLD, postgresql=f"{_TOLD} FOR UPDATE")
_NEXT = Sql(f"""
    SELECT number, value, old_id, new_id FROM assignment_import_lines
    WHERE import_id = :id AND number > :after AND kind <> 'bad' AND outcome = '' ORDER BY number LIMIT {BATCH}
""")
_SETTLE = sql_in("UPDATE assignment_import_lines SET outcome = :outcome WHERE import_id = :id AND number IN :ids")
_KEEP_TOLD = Sql("UPDATE assignment_imports SET told = :told WHERE id = :id")
_FINISH = Sql("UPDATE assignment_imports SET applied_at = :now WHERE id = :id AND applied_at IS NULL")
# The row stays until its day is over: SQLite would give its number to the next file, and a page that lies open would
# apply that one.
_DISCARD = Sql("UPDATE assignment_imports SET ready = FALSE WHERE id = :id")
_FORGET_LINES = Sql("DELETE FROM assignment_import_lines WHERE import_id = :id")
_FORGET_OLD = Sql("DELETE FROM assignment_imports WHERE made_at < :before")


class Import(NamedTuple):
    """A file that was looked at: its lines by what they would do, and how many were applied and left out so far."""

    id: int
    file_name: str
    made_at: str
    made_by: str
    applied_at: str | None
    new: int
    changed: int
    removed: int
    unchanged: int
    bad: int
    applied: int
    left: int

    @property
    def changes(self) -> int:
        """How many lines would change something."""
        return self.new + self.changed + self.removed


class ImportLine(NamedTuple):
    """A line of it. `old` and `new` are the attorneys' names; of a bad line, `value` is what stands in `field`."""

    number: int
    kind: str
    value: str
    old: str | None
    new: str | None
    field: str
    remedy: str
    outcome: str


def look_at_import(content: bytes, *, file_name: str, actor: Actor) -> int:
    """Read a file, write down what it would change, and return the number under which that is kept for a day.

    Raises:
        BadFile: it cannot be read.
    """
    lines = list(read_lines(content, most=MAX_LINES))
    attorneys = {each.email: each.id for each in active_attorneys()}
    with transaction_on(db.engine) as connection:
        row = _OPEN.row(connection, file_name=file_name[:200], made_by=actor.name, now=to_stamp(utc_now()))
        assert row is not None
        import_id: int = row[0]
    counts: Counter[str] = Counter()
    rest = iter(lines)
    while batch := list(islice(rest, LOOKED_UP_TOGETHER)):
        with reading(db.engine) as connection:
            emails = [line.email for line in batch if isinstance(line, Line)]
            present = {row[0]: row[1] for row in _PRESENT.rows(connection, ids=id_list(connection, emails))}
        rows = [_row(line, attorneys, present) for line in batch]
        counts.update(row[1] for row in rows)
        with transaction_on(db.engine) as connection:
            kept = [row for row in rows if row[1] != "unchanged"]
            _WRITE_DOWN.run(connection, id=import_id, lines=orjson.dumps(kept).decode())
    with transaction_on(db.engine) as connection:
        _READY.run(connection, id=import_id, **{name: counts[name] for name in _COUNTS})
    return import_id


def _row(
    line: Line | BadLine, attorneys: dict[str, int], present: dict[str, int | None]
) -> tuple[int, str, str, int | None, int | None, str, str]:
    """Return (number, kind, value, old, new, field, remedy)."""
    if isinstance(line, BadLine):
        return line.number, "bad", line.value[:254], None, None, line.field, line.remedy[:200]
    old, new = present.get(line.email), None
    if line.attorney:
        try:
            new = attorneys[normalise_email(line.attorney)]
        except (BadEmailAddress, KeyError):
            remedy = "No active attorney has this address. Invite the person first, or name another"
            return line.number, "bad", line.attorney[:254], None, None, "attorney", remedy
    kind = "unchanged" if old == new else "new" if old is None else "changed" if new else "removed"
    return line.number, kind, line.email, old, new, "", ""


def get_import(import_id: int) -> Import:
    """Return an import.

    Raises:
        ImportNotFound: there is none any more.
    """
    with reading(db.engine) as connection:
        return _get(connection, import_id)


def _get(connection: Connection, import_id: int) -> Import:
    row = _GET.row(connection, id=import_id)
    if row is None:
        raise ImportNotFound
    done = {row[0]: row[1] for row in _DONE.rows(connection, id=import_id)}
    return Import._make((*row, done.get("applied", 0), done.get("left", 0)))


def changes_of(import_id: int, *, after: int, limit: int) -> list[ImportLine]:
    """Return the lines that would change something, or have, beyond line `after`."""
    return _lines(_CHANGES, import_id, after, limit)


def bad_lines_of(import_id: int, *, limit: int) -> list[ImportLine]:
    """Return the first lines that cannot be used."""
    return _lines(_BAD, import_id, 0, limit)


def lines_left_out_of(import_id: int, *, limit: int) -> list[ImportLine]:
    """Return the first lines that were not applied, since somebody was faster."""
    return _lines(_LEFT, import_id, 0, limit)


def _lines(statement: Sql, import_id: int, after: int, limit: int) -> list[ImportLine]:
    with reading(db.engine) as connection:
        return [ImportLine(*row) for row in statement.rows(connection, id=import_id, after=after, limit=limit)]


def apply_import(import_id: int, *, actor: Actor) -> None:
    """Do what was shown, and tell each attorney once. What was done already is not done again.

    Raises:
        ImportNotFound: there is none any more.
    """
    after: int | None = 0
    while after is not None:
        with transaction_on(db.engine) as connection:
            after = _apply_batch(connection, import_id, after, actor)
    with transaction_on(db.engine) as connection:
        _finish(connection, _get(connection, import_id), actor)


def _finish(connection: Connection, found: Import, actor: Actor) -> None:
    if _FINISH.run(connection, id=found.id, now=to_stamp(utc_now())):
        trail.record(
            connection,
            Action.ASSIGNMENTS_IMPORTED,
            actor=actor,
            subject=assignments_said(found.applied),
            count=found.applied,
            removed=found.removed,
            left_out=found.left,
            bad_lines=found.bad,
        )


def _apply_batch(connection: Connection, import_id: int, after: int, actor: Actor) -> int | None:
    """Apply the next lines beyond line `after`; return the last of them, or None when there was none."""
    row = _HOLD.row(connection, id=import_id)
    if row is None:
        raise ImportNotFound
    lines = _NEXT.rows(connection, id=import_id, after=after)
    if not lines:
        return None
    held = take(connection, [line[1] for line in lines])
    wanted = {line[3] for line in lines if line[3] is not None}
    attorneys = {each.id: each for each in active_people(connection, wanted)}
    moves: dict[Attorney | None, list[Held]] = defaultdict(list)
    left = []
    for number, email, old_id, new_id in lines:
        now = held[email]
        if now.attorney_id == new_id:
            continue
        if now.attorney_id != old_id or (new_id is not None and new_id not in attorneys):
            left.append(number)
        else:
            moves[attorneys[new_id] if new_id else None].append(now)
    told = set(orjson.loads(row[0]))
    for attorney, theirs in moves.items():
        give(connection, theirs, attorney=attorney, actor=actor)
        if attorney is None or attorney.id in told:
            continue
        if tell(connection, [each.prospect_id for each in theirs], attorney=attorney, actor=actor):
            told.add(attorney.id)
    _settle(connection, import_id, left, "left")
    _settle(connection, import_id, [line[0] for line in lines if line[0] not in set(left)], "applied")
    _KEEP_TOLD.run(connection, id=import_id, told=orjson.dumps(sorted(told)).decode())
    last: int = lines[-1][0]
    return last


def _settle(connection: Connection, import_id: int, numbers: Sequence[int], outcome: str) -> None:
    if numbers:
        _SETTLE.run(connection, id=import_id, outcome=outcome, ids=id_list(connection, numbers))


def discard_import(import_id: int, *, actor: Actor) -> bool:
    """Forget a file that was looked at; say whether some of it was applied, when applying was cut short.

    Raises:
        ImportNotFound: there is none any more.
    """
    with transaction_on(db.engine) as connection:
        _HOLD.row(connection, id=import_id)
        found = _get(connection, import_id)
        if found.applied:
            _finish(connection, found, actor)
        _DISCARD.run(connection, id=import_id)
        _FORGET_LINES.run(connection, id=import_id)
    return found.applied > 0


def forget_old_imports() -> int:
    """Forget files that were looked at more than a day ago, and return how many there were."""
    with transaction_on(db.engine) as connection:
        return _FORGET_OLD.run(connection, before=to_stamp(utc_now() - KEPT_FOR))

"""Lists of leads: pages, counts, and cursors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from alma_leads.database.raw import Sql
from alma_leads.leads.core.lookup import COLUMNS, FULL_COLUMNS, FULL_JOINS, FULL_LEAD, JOINS, LeadRow, protected_address
from alma_leads.leads.listing.conditions import MAIL_TROUBLE_IDS
from alma_leads.leads.listing.filters import Cursor, LeadFilter
from alma_leads.leads.listing.orders import Part, parts_of
from alma_leads.leads.listing.selection import Selection, select_newer, selection_to_count, selections

COUNT_CAP = 1000


NEWER_CAP = 100


class LeadPage(NamedTuple):
    """A page of a list, and the cursors of its neighbours where there are any."""

    rows: list[LeadRow]
    next_cursor: str | None
    previous_cursor: str | None


class LeadCounts(NamedTuple):
    """How many leads there are of each kind; each at most `COUNT_CAP`, so that counting costs the same at any size.

    `mine` and `unassigned` are pending ones. `overdue` are past the firm's target, if it has one (`has_target`);
    `waiting` have waited too long, by that target or without one since a day. `mail_trouble`: an email failed or is
    tried again. `oldest`: when the pending lead that has waited longest was received. `newest`: the highest id, or 0.
    """

    total: int
    pending: int
    reached_out: int
    mine: int
    unassigned: int
    overdue: int
    mail_trouble: int
    waiting: int
    oldest: str | None
    newest: int
    has_target: bool


_ATTORNEY_ID = Sql("SELECT id FROM users WHERE email = :email AND role IN ('administrator', 'attorney')")


_NEWEST = Sql("SELECT max(id) FROM leads")


_NO_TARGET = "(SELECT target_minutes FROM first_contact_clock) IS NULL"


def _capped(where: str, source: str = "leads l") -> str:
    return f"(SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {where} LIMIT {COUNT_CAP}) c)"


# One statement: a desk page shows them all, and each statement costs a request more than most of these numbers do.
_OVERDUE = _capped("l.status = 'PENDING' AND l.due_at <= :now")


_COUNTS = Sql(f"""
    SELECT
      {_capped("l.id > 0")},
      {_capped("l.status = 'PENDING'")},
      {_capped("l.status = 'REACHED_OUT'")},
      {_capped("l.status = 'PENDING' AND l.attorney_id = :user_id")},
      {_capped("l.status = 'PENDING' AND l.attorney_id IS NULL")},
      {_OVERDUE},
      {_capped("EXISTS (SELECT 1 FROM leads l WHERE l.id = m.id)", f"({MAIL_TROUBLE_IDS}) m")},
      CASE WHEN {_NO_TARGET} THEN {_capped("l.status = 'PENDING' AND l.created_at <= :late")} ELSE {_OVERDUE} END,
      (SELECT created_at FROM leads WHERE status = 'PENDING' ORDER BY created_at, id LIMIT 1),
      coalesce((SELECT max(id) FROM leads), 0),
      NOT ({_NO_TARGET})
""")


def find_attorney_id(connection: Connection, email: str) -> int | None:
    """Return the id of the person who has or had prospects under a normalised address, active or not."""
    row = _ATTORNEY_ID.row(connection, email=email)
    return None if row is None else row[0]


def count_leads(connection: Connection, *, user_id: int, late: str, now: str) -> LeadCounts:
    """Return how many leads there are of each kind, for the user `user_id` at the time `now`.

    Without a target, those received up to `late` have waited too long.
    """
    row = _COUNTS.row(connection, user_id=user_id, late=late, now=now)
    assert row is not None
    return LeadCounts._make((*row[:-1], bool(row[-1])))


def newest_id(connection: Connection) -> int:
    """Return the number of the newest lead, or 0 when there is none."""
    row = _NEWEST.row(connection)
    return (row and row[0]) or 0


def count_newer(connection: Connection, lead_filter: LeadFilter, *, after: int) -> int:
    """Return how many leads that `lead_filter` describes came after the lead `after`, at most `NEWER_CAP`."""
    selection, params = select_newer(connection, lead_filter)
    row = _counting(selection).row(connection, **params, after=after, cap=NEWER_CAP)
    assert row is not None
    return int(row[0])


def count_capped(connection: Connection, lead_filter: LeadFilter) -> int | None:
    """Return how many leads `lead_filter` describes, at most `COUNT_CAP`, where that is cheap; else None."""
    counted = selection_to_count(connection, lead_filter)
    if counted is None:
        return None
    selection, params = counted
    row = _counting(selection).row(connection, **params, cap=COUNT_CAP)
    assert row is not None
    return int(row[0])


def list_leads(connection: Connection, lead_filter: LeadFilter, *, public_url: str) -> LeadPage:
    """Return the page of leads that `lead_filter` describes."""
    rows, next_cursor, previous_cursor = _read_page(connection, lead_filter, COLUMNS, JOINS, public_url)
    return LeadPage([LeadRow._make(row[:-1]) for row in rows], next_cursor, previous_cursor)


def list_full_leads(
    connection: Connection, lead_filter: LeadFilter, *, public_url: str
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the page that `lead_filter` describes as programs see it, and the cursor of the next one."""
    rows, next_cursor, _ = _read_page(connection, lead_filter, FULL_COLUMNS, FULL_JOINS, public_url)
    # The value that it is sorted by comes last in a row, and is left over.
    return [dict(zip(FULL_LEAD, row, strict=False)) for row in rows], next_cursor


def cursor_at(connection: Connection, lead_filter: LeadFilter, lead_id: int) -> Cursor | None:
    """Return the place of a lead in the order of `lead_filter`, whether it is in that list or not; None if nowhere."""
    for part in parts_of(connection, lead_filter):
        row = _key(part).row(connection, id=lead_id, **dict(part.params))
        if row is not None:
            return Cursor(lead_filter.sort, row[0], lead_id, False, part.name)
    return None


@lru_cache(maxsize=128)
def _key(part: Part) -> Sql:
    where = " AND ".join(("l.id = :id", *part.where))
    return Sql(f"SELECT {part.column} FROM leads l JOIN prospects e ON e.id = l.prospect_id WHERE {where}")


def _read_page(
    connection: Connection, lead_filter: LeadFilter, columns: str, joins: str, public_url: str
) -> tuple[Sequence[tuple[Any, ...]], str | None, str | None]:
    cursor, files = lead_filter.cursor, protected_address(public_url)
    rows: list[tuple[Any, ...]] = []
    parts: list[str] = []  # the part of each row
    for chosen in selections(connection, lead_filter):
        statement, fetch = _page(chosen.selection, columns, joins), lead_filter.limit + 1 - len(rows)
        rows.extend(statement.rows(connection, **chosen.params, files=files, fetch=fetch))
        parts.extend([chosen.part.name] * (len(rows) - len(parts)))
        if len(rows) > lead_filter.limit:
            break
    more = len(rows) > lead_filter.limit
    rows, parts = rows[: lead_filter.limit], parts[: lead_filter.limit]
    if cursor is not None and cursor.backwards:
        rows, parts = rows[::-1], parts[::-1]
        has_next, has_previous = True, more
    else:
        has_next, has_previous = more, cursor is not None
    if not rows:
        return [], None, None
    first, last = rows[0], rows[-1]
    return (
        rows,
        Cursor(lead_filter.sort, last[-1], last[0], False, parts[-1]).encode() if has_next else None,
        Cursor(lead_filter.sort, first[-1], first[0], True, parts[0]).encode() if has_previous else None,
    )


@lru_cache(maxsize=1024)
def _page(selection: Selection, columns: str, joins: str) -> Sql:
    return Sql(selection.page_text(columns, joins=joins))


@lru_cache(maxsize=512)
def _counting(selection: Selection) -> Sql:
    return Sql(f"SELECT count(*) FROM ({selection.some_text()} LIMIT :cap) c")

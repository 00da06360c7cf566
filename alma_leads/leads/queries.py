"""What is read of leads: one function for each question. Hand-written statements; nothing is changed here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from alma_leads.database import Sql, id_list, sql_in
from alma_leads.leads.conditions import MAIL_TROUBLE_IDS
from alma_leads.leads.filters import Cursor, LeadFilter
from alma_leads.leads.orders import Part, parts_of
from alma_leads.leads.selection import Selection, select_newer, selection_to_count, selections

COUNT_CAP = 1000
NEWER_CAP = 100


class LeadRow(NamedTuple):
    """A lead as it is shown. Moments are RFC 3339 text; `lead_count` counts all leads of the prospect.

    `amber_at` and `due_at`: when the firm's target comes near and is passed; None without a target. `conflict` is the
    verdict of the conflict check.
    """

    id: int
    first_name: str
    last_name: str
    email: str
    resume_url: str
    status: str
    created_at: str
    updated_at: str
    reached_out_at: str | None
    attorney_email: str | None
    attorney_name: str | None
    reached_out_by: str | None
    lead_count: int
    prospect_id: int
    amber_at: str | None
    due_at: str | None
    conflict: str
    conflict_by: str | None
    conflict_at: str | None


class LeadPage(NamedTuple):
    """A page of a list, and the cursors of its neighbours where there are any."""

    rows: list[LeadRow]
    next_cursor: str | None
    previous_cursor: str | None


class EventRow(NamedTuple):
    """Something that happened to a lead. `data` holds old and new."""

    id: int
    lead_id: int
    kind: str
    actor_kind: str
    actor_id: int | None
    actor_name: str
    at: str
    data: dict[str, Any]


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


_COLUMNS = """
    l.id, l.first_name, l.last_name, l.email,
    coalesce(l.resume_url, :files || l.id || '/resume'),
    l.status, l.created_at, l.updated_at, l.reached_out_at,
    u.email, u.name, l.reached_out_by, p.lead_count, l.prospect_id, l.amber_at, l.due_at,
    l.conflict, l.conflict_by, l.conflict_at"""
_JOINS = "JOIN prospects p ON p.id = l.prospect_id LEFT JOIN users u ON u.id = l.attorney_id"

# A full lead as programs see it, in this order; no prospect is looked up for it.
FULL_LEAD = (
    "id",
    "first_name",
    "last_name",
    "email",
    "resume_url",
    "status",
    "created_at",
    "updated_at",
    "reached_out_at",
    "assigned_to",
)
_FULL_COLUMNS = """
    l.id, l.first_name, l.last_name, l.email, coalesce(l.resume_url, :files || l.id || '/resume'),
    l.status, l.created_at, l.updated_at, l.reached_out_at, u.email"""
_FULL_JOINS = "LEFT JOIN users u ON u.id = l.attorney_id"

_ONE_FULL = Sql(f"SELECT {_FULL_COLUMNS} FROM leads l {_FULL_JOINS} WHERE l.id = :id")
_ONE = Sql(f"SELECT {_COLUMNS} FROM leads l {_JOINS} WHERE l.id = :id")
_SEVERAL = sql_in(f"SELECT {_COLUMNS} FROM leads l {_JOINS} WHERE l.id IN :ids")
_OF_PROSPECT = Sql(
    f"SELECT {_COLUMNS} FROM leads l {_JOINS} WHERE l.prospect_id = :prospect_id ORDER BY l.id DESC LIMIT 100"
)
_EVENTS = Sql("""
    SELECT id, lead_id, kind, actor_kind, actor_id, actor_name, at, data
    FROM lead_events WHERE lead_id = :lead_id ORDER BY id DESC
""")
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


def protected_address(public_url: str) -> str:
    """Return what the address of an uploaded file starts with; the lead's number and `/resume` follow."""
    return f"{public_url}/internal/leads/"


def get_lead(connection: Connection, lead_id: int, *, public_url: str) -> LeadRow | None:
    """Return one lead, or None when there is none."""
    row = _ONE.row(connection, id=lead_id, files=protected_address(public_url))
    return None if row is None else LeadRow(*row)


def get_leads(connection: Connection, lead_ids: Sequence[int], *, public_url: str) -> list[LeadRow]:
    """Return the leads with these numbers, in this order; those that do not exist are left out."""
    rows = _SEVERAL.rows(connection, ids=id_list(connection, lead_ids), files=protected_address(public_url))
    found = {row[0]: LeadRow(*row) for row in rows}
    return [found[lead_id] for lead_id in lead_ids if lead_id in found]


def get_full_lead(connection: Connection, lead_id: int, *, public_url: str) -> dict[str, Any] | None:
    """Return one lead as programs see it, or None when there is none."""
    row = _ONE_FULL.row(connection, id=lead_id, files=protected_address(public_url))
    return None if row is None else dict(zip(FULL_LEAD, row, strict=True))


def leads_of_prospect(connection: Connection, prospect_id: int, *, public_url: str) -> list[LeadRow]:
    """Return the leads of a prospect, newest first, at most 100."""
    rows = _OF_PROSPECT.rows(connection, prospect_id=prospect_id, files=protected_address(public_url))
    return [LeadRow(*row) for row in rows]


def events_of(connection: Connection, lead_id: int) -> list[EventRow]:
    """Return what happened to a lead, newest first."""
    return [EventRow._make((*row[:7], orjson.loads(row[7]))) for row in _EVENTS.rows(connection, lead_id=lead_id)]


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
    rows, next_cursor, previous_cursor = _read_page(connection, lead_filter, _COLUMNS, _JOINS, public_url)
    return LeadPage([LeadRow._make(row[:-1]) for row in rows], next_cursor, previous_cursor)


def list_full_leads(
    connection: Connection, lead_filter: LeadFilter, *, public_url: str
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the page that `lead_filter` describes as programs see it, and the cursor of the next one."""
    rows, next_cursor, _ = _read_page(connection, lead_filter, _FULL_COLUMNS, _FULL_JOINS, public_url)
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

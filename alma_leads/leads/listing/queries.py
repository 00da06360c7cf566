"""Read lists of leads: their pages, their counts, and places in them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import (
    Row,
    ScalarSelect,
    Select,
    SQLColumnExpression,
    String,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    type_coerce,
)

from alma_leads.accounts.core.models import Role, User
from alma_leads.common.extensions import db
from alma_leads.database.base import as_stamp
from alma_leads.leads.core.lookup import FULL_COLUMNS, FULL_LEAD, ROW_COLUMNS, LeadRow, protected_address
from alma_leads.leads.core.models import Lead, Prospect
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.first_contact.models import FirstContactClock
from alma_leads.leads.listing.filters import NOBODY, Cursor, LeadFilter
from alma_leads.leads.listing.query import (
    HAS_MAIL_TROUBLE,
    IS_PENDING,
    ORDERS,
    filters_set,
    has_status,
    leads_query,
    ordering,
)

LeadCounts: TypeAlias = Row[*tuple[Any, ...]]

COUNT_CAP = 1000
NEWER_CAP = 100
# Of the leads that came after a page was made, so many are looked at.
NEWER = 1000

_ATTORNEY_ID = select(User.id).where(
    User.email == bindparam("email"), User.role.in_([Role.ADMINISTRATOR, Role.ATTORNEY])
)
_NEWEST = select(func.coalesce(func.max(Lead.id), 0))


class LeadPage(NamedTuple):
    """A page of a list, and the cursors of its neighbours if there are any."""

    rows: Sequence[LeadRow]
    next_cursor: str | None
    previous_cursor: str | None


def _capped(*where: SQLColumnExpression[bool]) -> ScalarSelect[int]:
    """Return the subquery that counts leads, at most `COUNT_CAP`: counting then costs the same at any size."""
    found = select(literal(1)).select_from(Lead).where(*where).limit(literal(COUNT_CAP, literal_execute=True))
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


_HAS_TARGET = select(FirstContactClock.target_minutes).scalar_subquery().is_not(None)
_OVERDUE = _capped(IS_PENDING, Lead.due_at <= bindparam("now", type_=Lead.due_at.type))
_LATE = _capped(IS_PENDING, Lead.created_at <= bindparam("late", type_=Lead.due_at.type))
_OLDEST = (
    select(as_stamp(Lead.created_at)).where(IS_PENDING).order_by(Lead.created_at, Lead.id).limit(1).scalar_subquery()
)
# One statement: a desk page shows all of them, and each statement would cost more than most of these counts.
_COUNTS = select(
    _capped().label("total"),
    _capped(IS_PENDING).label("pending"),
    _capped(has_status(LeadStatus.REACHED_OUT)).label("reached_out"),
    _capped(IS_PENDING, Lead.attorney_id == bindparam("user_id")).label("mine"),
    _capped(IS_PENDING, Lead.attorney_id.is_(None)).label("unassigned"),
    _OVERDUE.label("overdue"),
    _capped(HAS_MAIL_TROUBLE).label("mail_trouble"),
    case((_HAS_TARGET, _OVERDUE), else_=_LATE).label("waiting"),
    _OLDEST.label("oldest"),
    _NEWEST.scalar_subquery().label("newest"),
    _HAS_TARGET.label("has_target"),
)


def find_attorney_id(email: str) -> int | None:
    """Return the id of the user who has or had prospects under a normalised address, active or not."""
    return db.session.connection().execute(_ATTORNEY_ID, {"email": email}).scalar_one_or_none()


def count_leads(*, user_id: int, late: str, now: str) -> LeadCounts:
    """Return how many leads there are of each kind, at most `COUNT_CAP`, for the user `user_id` at the time `now`.

    `mine` and `unassigned` are pending. `overdue` are past the firm's target, if it has one (`has_target`); `waiting`
    have waited too long: by that target, or without one if they were received up to `late`. `mail_trouble`: an email
    failed or is retried. `oldest`: when the pending lead that has waited longest was received. `newest`: the highest
    id, or 0.
    """
    return db.session.connection().execute(_COUNTS, {"user_id": user_id, "late": late, "now": now}).one()


def newest_id() -> int:
    """Return the id of the newest lead, or 0 if there is none."""
    return db.session.connection().execute(_NEWEST).scalar_one()


def count_newer(lead_filter: LeadFilter, *, after: int) -> int:
    """Return how many leads of a list came after the lead `after`, at most `NEWER_CAP`."""
    newer = select(Lead.id).where(Lead.id > after).order_by(Lead.id).limit(NEWER)
    return _count(leads_query(lead_filter.without_cursor()).where(Lead.id.in_(newer)), cap=NEWER_CAP)


def count_capped(lead_filter: LeadFilter) -> int | None:
    """Return how many leads are in a list, at most `COUNT_CAP`, if an index answers that; else None."""
    asked = set(filters_set(lead_filter))
    rare = asked & {"returning", "mail_trouble", "in_conflict"}
    if asked & {"query", "resume_words"} or (rare and len(asked) > 1):
        return None
    return _count(leads_query(lead_filter.without_cursor()), cap=COUNT_CAP)


def _count(found: Select[Any], *, cap: int) -> int:
    rows = found.order_by(None).limit(cap).subquery()
    return db.session.connection().execute(select(func.count()).select_from(rows)).scalar_one()


def list_leads(lead_filter: LeadFilter, *, public_url: str = "") -> LeadPage:
    """Return a page of leads as the desk shows it, each with the `mail_state` of its messages."""
    page = _page_query(lead_filter, *ROW_COLUMNS).join(Prospect, Prospect.id == Lead.prospect_id)
    return _read_page(page, lead_filter, public_url)


def list_full_leads(lead_filter: LeadFilter, *, public_url: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of leads as programs see it, and the cursor of the next one."""
    page = _read_page(_page_query(lead_filter, *FULL_COLUMNS), lead_filter, public_url)
    # The place of a row, which comes last, is left over.
    return [dict(zip(FULL_LEAD, row, strict=False)) for row in page.rows], page.next_cursor


def cursor_at(lead_filter: LeadFilter, lead_id: int) -> Cursor | None:
    """Return the place of a lead in the order of a list, whether it is in that list or not; None if there is none."""
    place = (
        db.session.connection()
        .execute(select(*_place_columns(lead_filter), Lead.id).where(Lead.id == lead_id))
        .one_or_none()
    )
    return None if place is None else _cursor_of(place, lead_filter, backwards=False)


def _place_columns(lead_filter: LeadFilter) -> list[SQLColumnExpression[Any]]:
    """Return what a cursor says of a row, as text."""
    order = ORDERS[lead_filter.sort.lstrip("-")]
    group = literal("") if order.group is None else func.coalesce(cast(order.group, String), NOBODY)
    return [type_coerce(order.value, String).label("sort_value"), group.label("sort_group")]


def _page_query(lead_filter: LeadFilter, *columns: SQLColumnExpression[Any]) -> Select[Any]:
    """Return the statement for a page and one row more."""
    looks_up_first = lead_filter.query or lead_filter.resume_words or lead_filter.sort.endswith("attorney")
    return (_build_page_query if looks_up_first else _kept_page_query)(lead_filter, columns)


def _build_page_query(lead_filter: LeadFilter, columns: tuple[SQLColumnExpression[Any], ...]) -> Select[Any]:
    """Build the statement for a page. The ids are found first: only their rows are read in full."""
    ids = leads_query(lead_filter).limit(lead_filter.limit + 1).subquery()
    return (
        select(*columns, *_place_columns(lead_filter))
        .select_from(ids)
        .join(Lead, Lead.id == ids.c.id)
        .outerjoin(User, User.id == Lead.attorney_id)
        .order_by(*ordering(lead_filter))
    )


# Building a statement and its cache key takes 0.3 ms, and most pages are asked for again.
_kept_page_query = lru_cache(maxsize=256)(_build_page_query)


def _read_page(page: Select[Any], lead_filter: LeadFilter, public_url: str) -> LeadPage:
    cursor = lead_filter.cursor
    rows = db.session.connection().execute(page, {"files": protected_address(public_url)}).all()
    has_next, has_previous = len(rows) > lead_filter.limit, cursor is not None
    rows = rows[: lead_filter.limit]
    if cursor is not None and cursor.backwards:
        rows, has_next, has_previous = rows[::-1], True, has_next
    if not rows:
        return LeadPage([], None, None)
    return LeadPage(
        rows,
        _cursor_of(rows[-1], lead_filter, backwards=False).encode() if has_next else None,
        _cursor_of(rows[0], lead_filter, backwards=True).encode() if has_previous else None,
    )


def _cursor_of(row: LeadRow, lead_filter: LeadFilter, *, backwards: bool) -> Cursor:
    return Cursor(lead_filter.sort, row.sort_value, row.id, backwards, row.sort_group)

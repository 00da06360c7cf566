"""Turn a filter into a statement: a table of conditions, a table of orders, and the keyset that continues a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple

from sqlalchemy import Select, SQLColumnExpression, and_, bindparam, case, func, literal, select, tuple_

from alma_leads.accounts.core.models import User
from alma_leads.common.extensions import db
from alma_leads.common.folding import fold
from alma_leads.leads.core.models import Lead, Prospect
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.core.verdict import Verdict
from alma_leads.leads.listing.filters import NOBODY, Cursor, LeadFilter
from alma_leads.leads.listing.text_search import has_resume_words, matches_text
from alma_leads.outbox.queries import troubled_ids


def has_status(status: LeadStatus) -> SQLColumnExpression[bool]:
    """Compare with the value itself, not a parameter: SQLite uses a partial index only when it sees the value."""
    return Lead.status == bindparam(None, status, literal_execute=True)


IS_PENDING = has_status(LeadStatus.PENDING)
HAS_CONFLICT = Lead.conflict == bindparam(None, Verdict.CONFLICT, literal_execute=True)
HAS_MAIL_TROUBLE = Lead.id.in_(troubled_ids("lead"))
IS_RETURNING = Lead.prospect_id.in_(select(Prospect.id).where(Prospect.lead_count > literal(1, literal_execute=True)))
# When a lead must be contacted by, or without a target when it came. An index holds this expression.
URGENCY = func.coalesce(Lead.due_at, Lead.created_at)

CONDITIONS: dict[str, Callable[[Any], SQLColumnExpression[bool]]] = {
    "status": has_status,
    "attorney_id": lambda user_id: Lead.attorney_id == user_id,
    "unassigned": lambda _: Lead.attorney_id.is_(None),
    "created_from": lambda stamp: Lead.created_at >= stamp,
    "created_to": lambda stamp: Lead.created_at <= stamp,
    "overdue_at": lambda stamp: and_(IS_PENDING, Lead.due_at <= stamp),
    "returning": lambda _: IS_RETURNING,
    "mail_trouble": lambda _: HAS_MAIL_TROUBLE,
    "in_conflict": lambda _: HAS_CONFLICT,
    "resume_words": has_resume_words,
    "query": matches_text,
}


class Order(NamedTuple):
    """What a list is sorted by: perhaps by groups, then by a value, then by id."""

    value: SQLColumnExpression[Any]
    group: SQLColumnExpression[Any] | None = None


ORDERS = {
    "created_at": Order(Lead.created_at),
    "updated_at": Order(Lead.updated_at),
    "last_name": Order(Lead.last_name_key),
    "status": Order(Lead.created_at, group=Lead.status),
    "due": Order(URGENCY, group=Lead.status),
    "attorney": Order(Lead.created_at, group=Lead.attorney_id),
}
_UNFILTERED = LeadFilter()
_USERS = select(User.id, User.name).order_by(User.id)


def leads_query(lead_filter: LeadFilter) -> Select[Any]:
    """Return the statement for the ids of the leads that match a filter, in its order, from its cursor on.

    It has no limit. Use `with_only_columns` to select something else, and `order_by(None)` to drop the order.
    """
    return select(Lead.id).where(*conditions(lead_filter), *keyset(lead_filter)).order_by(*ordering(lead_filter))


def conditions(lead_filter: LeadFilter) -> list[SQLColumnExpression[bool]]:
    """Return what a filter asks for: one condition for each of its fields that is set."""
    return [CONDITIONS[name](getattr(lead_filter, name)) for name in filters_set(lead_filter)]


def filters_set(lead_filter: LeadFilter) -> list[str]:
    """Return the names of the fields that filter, other than order, limit and cursor."""
    names = (field.name for field in fields(lead_filter) if field.name in CONDITIONS)
    return [name for name in names if getattr(lead_filter, name) != getattr(_UNFILTERED, name)]


def ordering(lead_filter: LeadFilter) -> list[SQLColumnExpression[Any]]:
    """Return the ORDER BY of a list, turned round for a cursor that goes backwards."""
    descending = _is_descending(lead_filter)
    return [column.desc() if descending else column.asc() for column in _sort_columns(lead_filter)]


def keyset(lead_filter: LeadFilter) -> list[SQLColumnExpression[bool]]:
    """Return the condition for the rows after the cursor: one comparison of tuples, which an index can answer."""
    cursor = lead_filter.cursor
    if cursor is None:
        return []
    columns = _sort_columns(lead_filter)
    place = (_group_value(lead_filter, cursor), cursor.value, cursor.id)[-len(columns) :]
    return [tuple_(*columns) < place if _is_descending(lead_filter) else tuple_(*columns) > place]


def _is_descending(lead_filter: LeadFilter) -> bool:
    return lead_filter.sort.startswith("-") != (lead_filter.cursor is not None and lead_filter.cursor.backwards)


def _sort_columns(lead_filter: LeadFilter) -> list[SQLColumnExpression[Any]]:
    group, value = _group(lead_filter), ORDERS[lead_filter.sort.lstrip("-")].value
    return [value, Lead.id] if group is None else [group, value, Lead.id]


def _group(lead_filter: LeadFilter) -> SQLColumnExpression[Any] | None:
    """Return what a list is sorted by first, or None if the filter leaves one group: indexes need that."""
    group = ORDERS[lead_filter.sort.lstrip("-")].group
    if group is Lead.status:
        return None if lead_filter.status or lead_filter.overdue_at else Lead.status
    if group is Lead.attorney_id and lead_filter.attorney_id is None and not lead_filter.unassigned:
        ranks = _attorney_ranks(lead_filter)
        return case(ranks, value=Lead.attorney_id, else_=ranks[0])
    return None


def _attorney_ranks(lead_filter: LeadFilter) -> dict[int, int]:
    """Return the place of each user by name. Unassigned leads, here 0, come last whichever way the list runs."""
    users = sorted(db.session.execute(_USERS), key=lambda user: fold(user.name))
    ranks = {user.id: rank for rank, user in enumerate(users)}
    return {0: -1 if lead_filter.sort.startswith("-") else len(users), **ranks}


def _group_value(lead_filter: LeadFilter, cursor: Cursor) -> Any:
    group = ORDERS[cursor.sort.lstrip("-")].group
    if group is Lead.status:
        return LeadStatus(cursor.group)
    if group is Lead.attorney_id:
        ranks = _attorney_ranks(lead_filter)
        return ranks.get(0 if cursor.group == NOBODY else int(cursor.group), ranks[0])
    return None

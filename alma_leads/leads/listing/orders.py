"""The orders in which a list can be read, as parts: each part is walked along one column that has an index.

"By attorney" is one attorney's leads after the other's; "by due time" those with one, then the rest. So an order over
another table, or over a column that may be empty, costs no more than any other, and a cursor says in which part it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection

from alma_leads.database.raw import Sql
from alma_leads.folding import fold
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.listing.filters import LeadFilter

_ATTORNEYS = Sql("SELECT id, name FROM users ORDER BY id")


class Part(NamedTuple):
    """A part of a list. `name` stands in cursors; `where` says whose leads, `params` with what; `last` both ways.

    `along` is the index that it is walked along, where SQLite would take another.
    """

    name: str
    column: str
    where: tuple[str, ...] = ()
    params: tuple[tuple[str, Any], ...] = ()
    last: bool = False
    along: str = ""


_ONE_PART = {
    "created_at": "l.created_at",
    "updated_at": "l.updated_at",
    "last_name": "l.last_name_key",
    "email": "e.email",
}
_WAITING = Part("PENDING", "l.created_at", ("l.status = 'PENDING'",))
_DONE = Part("REACHED_OUT", "l.created_at", ("l.status = 'REACHED_OUT'",))
_DUE = Part("due", "l.due_at", ("l.status = 'PENDING'", "l.due_at IS NOT NULL"), along="ix_leads_due")
_NOT_DUE = Part("pending", "l.created_at", ("l.status = 'PENDING'", "l.due_at IS NULL"), last=True)


def parts_of(connection: Connection, lead_filter: LeadFilter) -> list[Part]:
    """Return the parts of the list in reading order, those left out that the filter leaves empty."""
    order = lead_filter.sort.lstrip("-")
    status = LeadStatus.PENDING if lead_filter.overdue_at else lead_filter.status
    if order in _ONE_PART:
        return [Part("", _ONE_PART[order])]
    if order in ("status", "due"):
        waiting = [_WAITING] if order == "status" else [_DUE, _NOT_DUE]
        done = [_DONE if order == "status" else _DONE._replace(last=True)]
        parts = {None: waiting + done, LeadStatus.PENDING: waiting, LeadStatus.REACHED_OUT: done}[status]
    else:
        parts = _by_attorney(connection, lead_filter)
    if lead_filter.sort.startswith("-"):
        parts = [part for part in reversed(parts) if not part.last] + [part for part in parts if part.last]
    return parts


def _by_attorney(connection: Connection, lead_filter: LeadFilter) -> list[Part]:
    """Return a part for each person by name, inactive ones too, and last the leads of nobody."""
    nobody = Part("none", "l.created_at", ("l.attorney_id IS NULL",), last=True)
    if lead_filter.unassigned:
        return [nobody]
    people = sorted((fold(name), number) for number, name in _ATTORNEYS.rows(connection))
    parts = [
        Part(str(number), "l.created_at", ("l.attorney_id = :part",), (("part", number),))
        for _, number in people
        if lead_filter.attorney_id in (None, number)
    ]
    return parts if lead_filter.attorney_id is not None else [*parts, nobody]

"""The rows of the desk's list, prepared as plain tuples, so that the template only writes them down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from alma_leads.leads.queries import LeadRow
from alma_leads.leads.state import LeadStatus
from alma_leads.web.internal.dates import LATE_DAYS, VERY_LATE_DAYS, Clock, took

SOON = 3600  # seconds for which a mark is news to a colleague who presses too


class RowView(NamedTuple):
    """A lead in the list. `late` is "", "late1" or "late2"; `done` is None while it is pending."""

    id: int
    name: str
    local: str
    domain: str
    iso: str
    when: str
    age: str
    late: str
    attorney: str
    initials: str
    mail: str
    returning: bool
    done: str | None


def row_views(rows: Iterable[LeadRow], states: Mapping[int, str], clock: Clock) -> list[RowView]:
    """Return the rows as the list shows them. `states` holds the delivery state of each lead's e-mails, by its id."""
    return [row_view(row, states.get(row.id, ""), clock) for row in rows]


def row_view(row: LeadRow, mail: str, clock: Clock, *, done: str | None = None) -> RowView:
    """Return one row. `done` replaces what is said of the mark."""
    local, _, domain = row.email.rpartition("@")
    pending = row.status == LeadStatus.PENDING
    days = clock.days_since(row.created_at)
    late = lateness(days) if pending else ""
    if not pending and done is None:
        done = f"by {short_name(row.reached_out_by or '')}, in {took(row.created_at, row.reached_out_at or '')}"
    return RowView(
        row.id,
        f"{row.first_name} {row.last_name}",
        local,
        domain,
        row.created_at,
        clock.moment(row.created_at),
        f"waiting {days} days" if late else clock.ago(row.created_at),
        late,
        row.attorney_name or "",
        initials(row.attorney_name or ""),
        mail,
        row.lead_count > 1,
        None if pending else done,
    )


def lateness(days: int) -> str:
    """Return the class of a lead that has waited so many days: "", "late1" (amber) or "late2" (red)."""
    if days < LATE_DAYS:
        return ""
    return "late1" if days < VERY_LATE_DAYS else "late2"


def initials(name: str) -> str:
    """Return the first letters of the first and last word of a name."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def short_name(name: str) -> str:
    """Return "D. Kim" for "Daniel Kim"; one word stays as it is."""
    words = name.split()
    return f"{words[0][0]}. {words[-1]}" if len(words) > 1 else name

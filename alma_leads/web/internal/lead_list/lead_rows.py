"""The rows of the desk's list. Each is the template `leads_row.html`, evaluated ahead for all that can be told apart.

A list of 100 rows is the busiest page there is. So the template is rendered once for each kind of row (pending or
not, with an attorney or not, …) with places to fill in; a row then costs one `%`, and is remembered for its minute.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from flask import current_app
from markupsafe import Markup, escape

from alma_leads.leads.core.lookup import LeadRow
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.core.verdict import Verdict
from alma_leads.web.internal.frame.dates import LATE_DAYS, VERY_LATE_DAYS, Clock, took, zone_named
from alma_leads.web.internal.frame.names import initials, short_name

LATE, VERY_LATE = "late1", "late2"

_PLACES = (
    *("id", "swap", "name", "query", "local", "domain", "iso", "full"),
    *("when", "age", "due", "due_full", "initials", "attorney", "seen", "done"),
)


class Kind(NamedTuple):
    """What tells rows apart in more than words.

    `late` is "", "late1" or "late2"; `due` says that the lead waits against a target; `mail` is a delivery state or "".
    """

    pending: bool
    assigned: bool
    returning: bool
    late: str
    due: bool
    mail: str
    in_conflict: bool
    can_update: bool


def rows_html(rows: Iterable[LeadRow], clock: Clock, *, can_update: bool, list_query: str) -> Markup:
    """Return the `<tr>` of each lead.

    Args:
        rows: the leads.
        clock: the reader's; read to the minute.
        can_update: whether the reader may mark.
        list_query: the list's query string, which each lead's page is given.
    """
    minute, zone = int(clock.now.timestamp()) // 60, clock.zone.key or "UTC"
    query = str(escape(f"?{list_query}")) if list_query else ""
    parts = [_row(row, minute, zone, can_update, query) for row in rows]
    return Markup("".join(parts))  # noqa: S704 - each part is a template's output, its words escaped in _fill


def row_html(row: LeadRow, clock: Clock, *, can_update: bool, list_query: str, done: str, out_of_band: bool) -> Markup:
    """Return one `<tr>` to be swapped in by a script. `done` replaces what is said of the mark."""
    swap = ' hx-swap-oob="true"' if out_of_band else ""
    query = str(escape(f"?{list_query}")) if list_query else ""
    return Markup(_fill(row, clock, can_update, query, done=done, swap=swap))  # noqa: S704 - as above


@lru_cache(maxsize=4096)
def _row(row: LeadRow, minute: int, zone: str, can_update: bool, query: str) -> str:
    return _fill(row, _clock(minute, zone), can_update, query)


@lru_cache(maxsize=64)
def _clock(minute: int, zone: str) -> Clock:
    return Clock(zone_named(zone), now=datetime.fromtimestamp(minute * 60, UTC))


def _fill(row: LeadRow, clock: Clock, can_update: bool, query: str, *, done: str | None = None, swap: str = "") -> str:
    pending = row.status == LeadStatus.PENDING
    late = lateness(row, clock)
    if not pending and done is None:
        done = f"by {_short(row.reached_out_by or '')}, in {took(row.created_at, row.reached_out_at or '')}"
    elif done is not None:
        done = escape(done)
    local, _, domain = row.email.rpartition("@")
    letters, who = _attorney(row.attorney_name or "")
    due = row.due_at if pending else None
    kind = Kind(
        pending,
        bool(who),
        row.lead_count > 1,
        late,
        due is not None,
        row.mail_state or "",
        row.conflict == Verdict.CONFLICT,
        can_update,
    )
    return _shape(kind) % {
        "id": row.id,
        "swap": swap,
        "name": escape(f"{row.first_name} {row.last_name}"),
        "query": query,
        "local": escape(local),
        "domain": escape(domain),
        "iso": row.created_at,
        "full": clock.full(row.created_at),
        "when": clock.moment(row.created_at),
        "age": _due(due, clock) if due else _age(row.created_at, clock, late=late),
        "due": due or "",
        "due_full": clock.full(due) if due else "",
        "initials": letters,
        "attorney": who,
        "seen": escape(row.attorney_email or ""),
        "done": done,
    }


def _due(due_at: str, clock: Clock) -> str:
    return f"overdue by {clock.how_long(due_at)}" if due_at <= clock.stamp else f"due {clock.until(due_at)}"


def _age(created_at: str, clock: Clock, *, late: str) -> str:
    return f"waiting {clock.how_long(created_at)}" if late else clock.ago(created_at)


@lru_cache(maxsize=512)
def _attorney(name: str) -> tuple[str, str]:
    return escape(initials(name)), escape(name)


@lru_cache(maxsize=512)
def _short(name: str) -> str:
    return escape(short_name(name))


@lru_cache(maxsize=512)
def _shape(kind: Kind) -> str:
    """Return the row of this kind with `%(name)s` where its words go."""
    marks = {place: f"\0{place}\0" for place in _PLACES}
    shape = current_app.jinja_env.get_template("internal/leads_row.html").render(kind=kind, **marks)
    shape = shape.replace("%", "%%")
    for place, mark in marks.items():
        shape = shape.replace(mark, f"%({place})s")
    return shape


def lateness(row: LeadRow, clock: Clock) -> str:
    """Return "", or the class of a lead that has waited long (amber) or too long (red): by the firm's target, or days.

    A lead that is overdue is red: the two say the same.
    """
    if row.status != LeadStatus.PENDING:
        return ""
    if row.due_at is not None and row.amber_at is not None:
        late, very_late = row.amber_at <= clock.stamp, row.due_at <= clock.stamp
    else:
        days = clock.days_since(row.created_at)
        late, very_late = days >= LATE_DAYS, days >= VERY_LATE_DAYS
    return VERY_LATE if very_late else LATE if late else ""

"""The settings page of assignments: which attorney has which prospect, by hand. The API's side is in `api`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Response, make_response, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.email_address import BadEmailAddress
from alma_leads.common.extensions import settings
from alma_leads.database.base import to_stamp
from alma_leads.jobs.tasks import wake
from alma_leads.leads.assignments import assignment_service
from alma_leads.leads.assignments.assignment_service import Assignment
from alma_leads.leads.core.errors import AssignedMeanwhile, AssignmentNotFound, NotAnActiveAttorney
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.back import go_back
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import Clock
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.frame.names import initials
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.frame.toasts import Toast, keep_toast

HOME = "/internal/settings/assignments"
PAGE_ROWS = 50
MAX_TYPED = 320


class AssignmentView(NamedTuple):
    """A row of the table. The queries are the parts of addresses after the question mark."""

    email: str
    attorney: str
    attorney_email: str
    away: str
    initials: str
    since: str
    since_at: str
    leads: int
    leads_query: str
    change_query: str


@internal.get("/settings/assignments")
@access(needs(Permission.MANAGE_ASSIGNMENTS))
def assignments_page() -> Response:
    """Show the form and the table; `email` fills the form with one assignment, to change it."""
    email, attorney = _asked("email"), ""
    if email:
        try:
            attorney = assignment_service.get_assignment(email).attorney_email
        except (AssignmentNotFound, BadEmailAddress):
            attorney = ""
    return page_of_assignments(email=email, attorney=attorney)


@internal.post("/settings/assignments")
@access(needs(Permission.MANAGE_ASSIGNMENTS))
def change_assignments() -> Response:
    """Assign a prospect, or, with `do=remove`, take it from its attorney."""
    email = request.form.get("email", "").strip()
    attorney = request.form.get("attorney", "")
    try:
        if request.form.get("do") == "remove":
            toast = _remove(email)
        else:
            given = assignment_service.assign(email, attorney_email=attorney, actor=actor())
            wake()
            toast = Toast(f"{given.email} is with {given.attorney_name}.")
    except BadEmailAddress:
        message = "Enter an email address like name@example.com" if email else "Enter the prospect’s email address"
        return page_of_assignments(email=email, attorney=attorney, errors={"email": message}, status=422)
    except NotAnActiveAttorney:
        return page_of_assignments(
            email=email, attorney=attorney, errors={"attorney": "Choose an active attorney"}, status=422
        )
    keep_toast(toast)
    return go_back(HOME)


def _asked(name: str) -> str:
    """Return what the address says, without NUL: no address holds one, and PostgreSQL takes none."""
    return request.args.get(name, "").replace("\0", "")[:MAX_TYPED]


def _remove(email: str) -> Toast:
    try:
        assignment_service.unassign(email, actor=actor(), expected_attorney=request.form.get("seen"))
    except AssignmentNotFound:
        return Toast(f"{email} was with the helpdesk already.")
    except AssignedMeanwhile as meanwhile:
        return Toast(str(meanwhile), icon="info")
    return Toast(f"{email} is with the helpdesk.")


def page_of_assignments(
    *, email: str = "", attorney: str = "", errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    """Return the page, with what was typed and what is wrong with it, by field."""
    query, after = _asked("q").strip(), _asked("after")
    found = assignment_service.list_assignments(after=after, query=query, limit=PAGE_ROWS + 1)
    rows, more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
    clock, people = reader_clock(), assignment_service.active_attorneys()
    away = {each.email: clock.until_day(each.away_until) for each in people if each.away_until}
    body = render_template(
        "internal/settings/assignments.html",
        email=email,
        attorney=attorney,
        errors=errors or {},
        people=people,
        query=query,
        after=after,
        rows=[_view(row, clock, away) for row in rows],
        following=urlencode({"q": query, "after": rows[-1].email}) if more else "",
        first=urlencode({"q": query}),
        helpdesk=settings().HELPDESK_EMAIL or "",
        here=HOME + (f"?{urlencode({'q': query})}" if query else ""),
    )
    return private(make_response(body, status))


def _view(row: Assignment, clock: Clock, away: Mapping[str, str]) -> AssignmentView:
    since = to_stamp(row.assigned_at)
    return AssignmentView(
        row.email,
        row.attorney_name,
        row.attorney_email,
        away.get(row.attorney_email, ""),
        initials(row.attorney_name),
        clock.day(since),
        since,
        row.lead_count,
        urlencode({"q": row.email}),
        urlencode({"email": row.email}),
    )

"""The buttons of the desk: what they post to. Each answers 303 back, or the changed parts when a script asks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import parse_qsl, urlsplit

from flask import Response, make_response, render_template, request
from markupsafe import Markup

from alma_leads.accounts.core.permissions import Permission
from alma_leads.jobs.tasks import wake
from alma_leads.leads.assignments import assignment_service
from alma_leads.leads.core import lookup
from alma_leads.leads.core.errors import AssignedMeanwhile, AssignmentNotFound, LeadNotFound
from alma_leads.leads.core.lookup import LeadRow
from alma_leads.leads.first_contact import status_service
from alma_leads.leads.listing.filters import BadFilter
from alma_leads.web.auth import access, actor, may, needs
from alma_leads.web.back import back, go_back
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.desk_frame import Counts, reader_clock
from alma_leads.web.internal.frame.responses import private, wants_part
from alma_leads.web.internal.frame.toasts import Toast, keep_toast
from alma_leads.web.internal.lead.lead_page import lead_context
from alma_leads.web.internal.lead_list.lead_rows import row_html
from alma_leads.web.internal.lead_list.list_request import parse_list_filter
from alma_leads.web.internal.lead_list.list_tabs import tabs_of

LEAD_ID = "<int(max=9223372036854775807):lead_id>"


@internal.post(f"/leads/{LEAD_ID}/reached-out")
@access(needs(Permission.UPDATE_LEADS))
def mark_reached_out(lead_id: int) -> Response:
    """Mark a lead reached out, and with it the other pending leads of the same person."""
    marked = status_service.mark_reached_out(lead_id, actor=actor(), with_siblings=True)
    wanted = [lead_id, *(each for each in marked if each != lead_id)]
    rows = lookup.list_leads_by_id(wanted)
    toast = _mark_toast(rows[0], marked)
    if wants_part(f"lead-{lead_id}"):
        return _swapped_rows(rows, marked, toast)
    if wants_part("lead-head"):
        return swapped_lead(lead_id, "internal/swap_head.html", toast)
    keep_toast(toast)
    return go_back()


@internal.post(f"/leads/{LEAD_ID}/assign")
@access(needs(Permission.ASSIGN_LEADS))
def assign_lead(lead_id: int) -> Response:
    """Give a lead's prospect to an attorney, or, without one, to the helpdesk."""
    attorney = request.form.get("attorney", "")
    lead = lookup.find_lead(lead_id)
    if lead is None:
        raise LeadNotFound(lead_id)
    toast = _assign(lead, attorney, seen=request.form.get("seen"))
    if wants_part("attorney"):
        return swapped_lead(lead_id, "internal/swap_attorney.html", toast)
    keep_toast(toast)
    return go_back(f"/internal/leads/{lead_id}")


def _mark_toast(lead: LeadRow, marked: Sequence[int]) -> Toast:
    name = f"{lead.first_name} {lead.last_name}"
    note = (f"/internal/leads/{lead.id}#note", "Add a note")
    if lead.id not in marked:
        return Toast(f"{name} was marked reached out already, by {lead.reached_out_by}.", *note, icon="info")
    others = len(marked) - 1
    if not others:
        return Toast(f"{name} is marked reached out.", *note)
    return Toast(f"{name} is marked reached out, with {others} other {'lead' if others == 1 else 'leads'}.", *note)


def _swapped_rows(rows: Sequence[LeadRow], marked: Sequence[int], toast: Toast) -> Response:
    """Return the row that was pressed and, out of band, its siblings' rows, the counts and the toast."""
    clock = reader_clock()
    pairs = [(name, value) for name, value in parse_qsl(urlsplit(back()).query) if name != "cursor"]
    try:
        shown_in = parse_list_filter(pairs)
    except BadFilter:  # the row was not in a list of ours
        shown_in = parse_list_filter(())
    views = tabs_of(shown_in, Counts(clock))
    shown = []
    for row in rows:
        who = "you" if row.id in marked else row.reached_out_by
        done = f"by {who}, {clock.ago(row.reached_out_at or row.updated_at)}"
        shown.append(
            row_html(
                row,
                clock,
                can_update=may(Permission.UPDATE_LEADS),
                list_query=urlsplit(back()).query,
                done=done,
                out_of_band=row is not rows[0],
            )
        )
    body = render_template("internal/swap_rows.html", rows=Markup().join(shown), toast=toast, views=views)
    return private(make_response(body))


def swapped_lead(lead_id: int, template: str, toast: Toast) -> Response:
    """Return the parts of a lead's page that an action has changed, for a script."""
    query = urlsplit(back()).query
    context = lead_context(lead_id, parse_qsl(query), query)
    if template == "internal/swap_head.html" and context["place"].following:
        toast = Toast(toast.text, context["place"].following, "Next lead")
    return private(make_response(render_template(template, **context, toast=toast)))


def _assign(lead: LeadRow, attorney: str, *, seen: str | None) -> Toast:
    try:
        if attorney:
            given = assignment_service.assign(
                lead.email, attorney_email=attorney, actor=actor(), expected_attorney=seen
            )
            wake()
            return Toast(f"{lead.email} is with {given.attorney_name}.")
        with suppress(AssignmentNotFound):  # a colleague was faster: the helpdesk has it, as asked
            assignment_service.unassign(lead.email, actor=actor(), expected_attorney=seen)
        return Toast(f"{lead.email} is with the helpdesk.")
    except AssignedMeanwhile as meanwhile:
        return Toast(str(meanwhile), icon="info")

"""The conflict check of a lead: earlier leads that may be of the same person, and what somebody says of them.

It is a page of its own, which works without a script; on the lead's page a script puts its card in.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from flask import Response, make_response, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import db
from alma_leads.leads.conflicts import conflict_service
from alma_leads.leads.conflicts.similar import similar_leads
from alma_leads.leads.core import lookup
from alma_leads.leads.core.errors import LeadNotFound, VerdictChanged
from alma_leads.leads.core.verdict import Verdict
from alma_leads.web.auth import access, actor, may, needs
from alma_leads.web.back import back, go_back
from alma_leads.web.errors.problems import InputRefused
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.frame.responses import private, wants_part
from alma_leads.web.internal.frame.toasts import Toast, keep_toast
from alma_leads.web.internal.lead.conflict_card import VERDICT_WORDS, Check, check_of, with_found
from alma_leads.web.internal.lead.lead_actions import LEAD_ID
from alma_leads.web.internal.lead.lead_page import lead_context, without_origin

PART = "conflict"
TOO_LONG = f"Keep the note to {conflict_service.MAX_NOTE} characters, without NUL"


@internal.get(f"/leads/{LEAD_ID}/conflict")
@access(needs(Permission.READ_CONFLICTS))
def conflict(lead_id: int) -> Response:
    """Look for earlier leads that may be of the same person.

    Raises:
        LeadNotFound: there is none.
    """
    return _shown(lead_id, request.query_string.decode("utf-8", "replace"))


@internal.post(f"/leads/{LEAD_ID}/conflict")
@access(needs(Permission.RECORD_CONFLICTS))
def record_verdict(lead_id: int) -> Response:
    """Record what the check came to.

    Raises:
        LeadNotFound: there is none.
        InputRefused: the verdict is none, or the note cannot be kept.
    """
    try:
        verdict = Verdict(request.form.get("verdict", ""))
    except ValueError:
        raise InputRefused([("verdict", "Choose clear, conflict or unchecked")]) from None
    note = request.form.get("note", "").replace("\r\n", "\n").strip()
    query = urlsplit(back()).query
    if len(note) > conflict_service.MAX_NOTE or "\0" in note:
        return _shown(lead_id, query, note=note.replace("\0", ""), error=TOO_LONG, status=422)
    try:
        conflict_service.record_verdict(lead_id, verdict, note=note, seen=request.form.get("seen", ""), actor=actor())
    except VerdictChanged as changed:
        return _shown(lead_id, query, note=note, error=str(changed), status=409)
    toast = Toast(f"Conflict check: {VERDICT_WORDS[verdict].lower()}.")
    if wants_part(PART):
        context = lead_context(lead_id, parse_qsl(query), query)
        context["check"] = _look(lead_id, query)
        return private(make_response(render_template("internal/swap_conflict.html", **context, toast=toast)))
    keep_toast(toast)
    return go_back(f"/internal/leads/{lead_id}")


def _look(lead_id: int, query: str, *, note: str = "", error: str = "") -> Check:
    lead = lookup.find_lead(lead_id)
    if lead is None:
        raise LeadNotFound(lead_id)
    found = similar_leads(db.session.connection(), lead)
    clock = reader_clock()
    check = with_found(check_of(lead, clock), found, clock, lead_id=lead_id, list_query=without_origin(query))
    return check._replace(note=note, error=error)


def _shown(lead_id: int, query: str, *, note: str = "", error: str = "", status: int = 200) -> Response:
    """Return the check as a page, or its card for a script, which is told of what went wrong in the card alone."""
    check = _look(lead_id, query, note=note, error=error)
    part = wants_part(PART)
    page = render_template(
        "internal/lead_conflict.html" if part else "internal/conflict.html",
        lead_id=lead_id,
        check=check,
        here=f"/internal/leads/{lead_id}" + (f"?{query}" if query else ""),
        can_record=may(Permission.RECORD_CONFLICTS),
    )
    return private(make_response(page, 200 if part else status))

"""What the lead page shows of an uploaded resume and asks for by itself: the picture, and what there is by now."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import db
from alma_leads.leads.core import lookup
from alma_leads.leads.core.errors import LeadNotFound
from alma_leads.resumes.service import find_resume, read_picture
from alma_leads.web.auth import access, needs
from alma_leads.web.errors.problems import problem
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.responses import private, wants_part
from alma_leads.web.internal.lead.resume_view import MAX_LOOKS, resume_view
from alma_leads.web.requests.numbers import whole_number

LEAD_ID = "<int(max=9223372036854775807):lead_id>"


@internal.get(f"/leads/{LEAD_ID}/resume/page-1")
@access(needs(Permission.READ_LEADS, quiet=True))
def resume_picture(lead_id: int) -> Response:
    """Send the picture of a resume's first page."""
    resume = find_resume(db.session(), lead_id)
    try:
        picture = None if resume is None else read_picture(resume)
    except FileNotFoundError:
        picture = None
    if picture is None:
        return problem(404, "There is no picture of this resume.")
    response = Response(picture, content_type="image/webp")
    # Made of a stranger's file: a browser shows it as a picture, or not at all.
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response


@internal.get(f"/leads/{LEAD_ID}/resume/preview")
@access(needs(Permission.READ_LEADS, quiet=True))
def resume_preview(lead_id: int) -> Response:
    """Show what there is of a resume by now, for a script of the lead page that looks a few times."""
    if not wants_part("cv"):
        return make_response(redirect(f"/internal/leads/{lead_id}", 303))
    look = whole_number(request.args.get("look", ""), digits=2)
    looks = MAX_LOOKS if look is None else look
    lead = lookup.find_lead(lead_id)
    if lead is None:
        raise LeadNotFound(lead_id)
    resume = resume_view(db.session(), lead, lookup.list_events(lead_id), looks=looks)
    return private(make_response(render_template("internal/lead_resume.html", lead=lead, resume=resume)))

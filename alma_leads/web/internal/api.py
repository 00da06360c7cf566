"""The internal JSON API. The same addresses serve the desk's pages, which are made in the modules beside this one."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, make_response, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.email_address import BadEmailAddress, normalise_email
from alma_leads.common.extensions import db, settings
from alma_leads.database.base import to_stamp
from alma_leads.file_formats.formats import Format
from alma_leads.jobs.tasks import wake
from alma_leads.leads.assignments import assignment_service
from alma_leads.leads.core import lookup
from alma_leads.leads.core.errors import LeadChanged, LeadNotFound
from alma_leads.leads.core.links import web_link
from alma_leads.leads.core.lookup import EventRow
from alma_leads.leads.core.schemas import AssignmentIn, LeadPatch
from alma_leads.leads.export.export_service import export_leads
from alma_leads.leads.first_contact import status_service
from alma_leads.leads.listing import queries
from alma_leads.leads.listing.filters import DESK_SORTS, SORTS, LeadFilter, parse_filter
from alma_leads.leads.notes.notes import without_deleted
from alma_leads.resumes.service import find_resume, read
from alma_leads.web.auth import access, actor, by_key, may, needs
from alma_leads.web.errors.negotiation import vary_on_accept, wants_html
from alma_leads.web.errors.problems import problem
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.downloads import download, keep_as
from alma_leads.web.internal.lead.lead_page import lead_page
from alma_leads.web.internal.lead_list.desk import leads_page
from alma_leads.web.requests.bodies import read_json

LEAD_ID = "<int(max=9223372036854775807):lead_id>"


@internal.get("/leads")
@access(needs(Permission.READ_LEADS))
def leads() -> Response:
    """List leads: a page for people, an array for programs."""
    if wants_html():
        return vary_on_accept(leads_page())
    lead_filter = _filter()
    found, cursor = queries.list_full_leads(lead_filter, public_url=settings().PUBLIC_URL)
    response = _json(found)
    if cursor:
        response.headers["Link"] = f'<{_address_with(cursor)}>; rel="next"'
    return response


@internal.get("/leads.csv")
@access(needs(Permission.EXPORT_LEADS))
def leads_csv() -> Response:
    """Send all leads of a filter as CSV, for a spreadsheet."""
    return _download("csv")


@internal.get("/leads.ndjson")
@access(needs(Permission.EXPORT_LEADS))
def leads_ndjson() -> Response:
    """Send all leads of a filter, one JSON object a line."""
    return _download("ndjson")


@internal.get("/leads.xlsx")
@access(needs(Permission.EXPORT_LEADS))
def leads_xlsx() -> Response:
    """Send all leads of a filter as a workbook."""
    return _download("xlsx")


@internal.get(f"/leads/{LEAD_ID}")
@access(needs(Permission.READ_LEADS))
def lead(lead_id: int) -> Response:
    """Show one lead in full."""
    if wants_html():
        return vary_on_accept(lead_page(lead_id))
    response = _lead_answer(_get(lead_id))
    response.make_conditional(request)
    return response


@internal.patch(f"/leads/{LEAD_ID}")
@access(needs(Permission.UPDATE_LEADS))
def update_lead(lead_id: int) -> Response:
    """Change a lead's status, if it is still as the client saw it."""
    wanted = read_json(LeadPatch).status
    seen = None
    if request.if_match:
        current = _get(lead_id)
        if not request.if_match.contains(_etag(orjson.dumps(current))):
            raise LeadChanged(lead_id)
        seen = current["updated_at"]
    status_service.change_status(lead_id, wanted, actor=actor(), expected_version=seen)
    changed = _get(lead_id)
    if not may(Permission.READ_LEADS):
        return _json({name: changed[name] for name in ("id", "status", "updated_at")})
    return _lead_answer(changed)


@internal.get(f"/leads/{LEAD_ID}/events")
@access(needs(Permission.READ_LEADS))
def lead_events(lead_id: int) -> Response:
    """List what happened to a lead, newest first."""
    if lookup.find_lead(lead_id) is None:
        raise LeadNotFound(lead_id)
    events = lookup.list_events(lead_id)
    if not may(Permission.READ_AUDIT_LOG):
        events = without_deleted(events)
    return _json([_event(event) for event in events])


@internal.get(f"/leads/{LEAD_ID}/resume")
@access(needs(Permission.READ_LEADS))
def lead_resume(lead_id: int) -> Response:
    """Send the uploaded file as a download. A link is named, and never redirected to."""
    resume = find_resume(db.session(), lead_id)
    row = lookup.find_lead(lead_id, public_url=settings().PUBLIC_URL)
    if row is None:
        raise LeadNotFound(lead_id)
    if resume is None:
        return _link_answer(lead_id, row.resume_url)
    response = Response(read(resume), content_type=resume.media_type)
    keep_as(response, resume.file_name)
    response.headers["Content-Length"] = str(resume.size_bytes)
    # A stranger's file: it is only ever downloaded, and could do nothing if a browser showed it all the same.
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _link_answer(lead_id: int, resume_url: str) -> Response:
    """Name the link that a prospect gave.

    A redirect to it would send the caller's X-API-Key to a host of a stranger's choice, since HTTP clients keep such
    headers when they follow one, and would make any link to this address lead people out of the desk.
    """
    if not wants_html():
        return problem(409, "This lead has a link, not a file. The link is in the field resume_url of the lead.")
    link, host = web_link(resume_url)
    page = render_template("internal/resume_link.html", lead_id=lead_id, resume_url=resume_url, link=link, host=host)
    response = make_response(page)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "private, no-store"
    return vary_on_accept(response)


@internal.get("/assignments/<path:email>")
@access(needs(Permission.READ_LEADS))
def assignment(email: str) -> Response:
    """Say which attorney has a prospect."""
    return _assignment(assignment_service.get_assignment(email))


@internal.put("/assignments/<path:email>")
@access(needs(Permission.ASSIGN_LEADS))
def put_assignment(email: str) -> Response:
    """Give a prospect to an attorney."""
    wanted = read_json(AssignmentIn)
    given = assignment_service.assign(email, attorney_email=wanted.attorney, actor=actor())
    wake()
    return _assignment(given)


@internal.delete("/assignments/<path:email>")
@access(needs(Permission.ASSIGN_LEADS))
def delete_assignment(email: str) -> Response:
    """Take a prospect from its attorney."""
    assignment_service.unassign(email, actor=actor())
    return Response(status=204)


def _event(event: EventRow) -> dict[str, Any]:
    who = {"type": event.actor_kind, "id": event.actor_id, "name": event.actor_name}
    return {
        "id": event.id,
        "lead_id": event.lead_id,
        "type": event.kind,
        "at": event.at,
        "actor": who,
        "data": event.data,
    }


def _filter() -> LeadFilter:
    return parse_filter(request.args.items(multi=True), find_attorney=_find_attorney)


def _find_attorney(text: str) -> int | None:
    try:
        email = normalise_email(text)
    except BadEmailAddress:
        return None
    return queries.find_attorney_id(email)


def _address_with(cursor: str) -> str:
    pairs = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    return f"{settings().PUBLIC_URL}{request.path}?{urlencode([*pairs, ('cursor', cursor)])}"


def _get(lead_id: int) -> dict[str, Any]:
    found = lookup.find_full_lead(lead_id, public_url=settings().PUBLIC_URL)
    if found is None:
        raise LeadNotFound(lead_id)
    return found


def _etag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def _lead_answer(lead: dict[str, Any]) -> Response:
    body = orjson.dumps(lead)
    response = _json_bytes(body)
    response.set_etag(_etag(body))
    return response


def _assignment(found: assignment_service.Assignment) -> Response:
    return _json(
        {"email": found.email, "attorney": found.attorney_email, "attorney_name": found.attorney_name}
        | {"assigned_at": to_stamp(found.assigned_at)}
    )


def _json(value: Any) -> Response:
    return _json_bytes(orjson.dumps(value))


def _json_bytes(body: bytes) -> Response:
    response = Response(body, content_type="application/json")
    # Personal data is kept by no cache. A client may keep its own copy, and compare it by its ETag.
    response.headers["Cache-Control"] = "no-store"
    return vary_on_accept(response)


def _download(kind: Format) -> Response:
    sorts = SORTS if by_key() else DESK_SORTS
    lead_filter = parse_filter(request.args.items(multi=True), find_attorney=_find_attorney, sorts=sorts)
    return download(
        lambda: export_leads(lead_filter, kind=kind, actor=actor()),
        kind=kind,
        name="leads",
        byte_order_mark=kind == "csv" and not by_key(),
    )

"""The page of one lead: facts, resume, timeline, e-mails, and its place in the list that it came from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import quote

from flask import Response, make_response, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import db, settings
from alma_leads.leads.assignments.assignment_service import active_attorneys
from alma_leads.leads.core import lookup
from alma_leads.leads.core.emails import correlation
from alma_leads.leads.core.errors import LeadNotFound
from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.lookup import EventRow, LeadRow
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.listing import queries
from alma_leads.leads.listing.filters import BadFilter
from alma_leads.outbox.queries import list_about
from alma_leads.web.auth import may
from alma_leads.web.internal.frame.dates import Clock, in_sentence
from alma_leads.web.internal.frame.desk_frame import Desk, reader_clock, with_absence
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.lead.conflict_card import check_of
from alma_leads.web.internal.lead.lead_emails import mail_view
from alma_leads.web.internal.lead.resume_view import resume_view
from alma_leads.web.internal.lead.timeline import Reader, timeline
from alma_leads.web.internal.lead_list.lead_rows import VERY_LATE, lateness
from alma_leads.web.internal.lead_list.list_filter import ListFilter
from alma_leads.web.internal.lead_list.list_request import ORDER_WORDS, parse_list_filter
from alma_leads.web.requests.numbers import whole_number
from alma_leads.web.sessions import reader

ORIGIN = "from"  # in the address of a lead: from which other it was opened
_COUNTED_BEFORE = 50  # a place further down the list is not said
_OTHERS_SHOWN = 10


class Place(NamedTuple):
    """Where a lead stands in its list: addresses of its neighbours ("" at an end), and words like "1 of 16 pending"."""

    previous: str
    following: str
    words: str
    order: str


class Origin(NamedTuple):
    """The lead from which this one was opened: its page, and what the address of this one says of it."""

    id: int
    address: str
    suffix: str


def lead_page(lead_id: int) -> Response:
    """Return the page of one lead. Its query string is that of the list it was opened from.

    Raises:
        LeadNotFound: there is none.
    """
    query = request.query_string.decode("utf-8", "replace")
    return private(make_response(render_template("internal/lead.html", **lead_context(lead_id, _pairs(), query))))


def without_origin(query: str) -> str:
    """Return a lead's query string without the lead that it was opened from: that of its list."""
    return "&".join(part for part in query.split("&") if not part.startswith(f"{ORIGIN}="))


def _pairs() -> list[tuple[str, str]]:
    return list(request.args.items(multi=True))


def lead_context(lead_id: int, pairs: list[tuple[str, str]], query: str) -> dict[str, Any]:
    """Return what the page of a lead shows, from the list with the query string `query` (also given as `pairs`).

    Raises:
        LeadNotFound: there is none.
    """
    clock = reader_clock()
    opened_from = next((value for name, value in pairs if name == ORIGIN), "")
    pairs, query = [pair for pair in pairs if pair[0] != ORIGIN], without_origin(query)
    lead = lookup.find_lead(lead_id, public_url=settings().PUBLIC_URL)
    if lead is None:
        raise LeadNotFound(lead_id)
    events = lookup.list_events(lead_id)
    messages = list_about(db.session.connection(), correlation(lead_id))
    others = _others(lead)
    try:
        asked = parse_list_filter(pairs)
    except BadFilter:  # an address that was cut or added to still shows its lead
        asked, query = parse_list_filter(()), ""
    place = _place(asked, lead, clock)
    resume = resume_view(db.session(), lead, events, words=asked.leads.resume_words)
    people = active_attorneys()
    names = {person.email: person.name for person in people}
    if lead.attorney_email:
        names.setdefault(lead.attorney_email, lead.attorney_name or lead.attorney_email)
    helpdesk = {settings().HELPDESK_EMAIL or "": "the helpdesk"}
    suffix = f"?{query}" if query else ""
    origin = _origin(opened_from, suffix)
    own_suffix = origin.suffix if origin else suffix
    pending = lead.status == LeadStatus.PENDING
    return {
        "lead": lead,
        "lead_id": lead.id,
        "check": check_of(lead, clock),
        "origin": origin,
        "name": f"{lead.first_name} {lead.last_name}",
        "pending": pending,
        "late": lateness(lead, clock),
        "waiting": clock.waiting(lead.created_at),
        "reached": "" if pending else _reached(lead, events, clock),
        "mailto": "mailto:" + quote(lead.email, safe="@+"),
        "received": clock.full(lead.created_at),
        "due": clock.moment(lead.due_at) if pending and lead.due_at else "",
        "others": [(other.id, _said_of(other, clock)) for other in others[:_OTHERS_SHOWN]],
        "others_left": max(0, len(others) - _OTHERS_SHOWN),
        "resume": resume,
        "place": place,
        "entries": timeline(
            events,
            messages,
            others[:_OTHERS_SHOWN],
            reader=Reader(reader().id, may(Permission.READ_AUDIT_LOG), helpdesk | names, clock),
            max_attempts=settings().MAIL_MAX_ATTEMPTS,
        ),
        "mails": [mail_view(message, clock) for message in messages],
        "attorney_options": _attorney_options(lead, names | {each.email: with_absence(each) for each in people}),
        "can_update": may(Permission.UPDATE_LEADS),
        "can_write_notes": may(Permission.WRITE_NOTES),
        "can_assign": may(Permission.ASSIGN_LEADS),
        "can_send": may(Permission.SEND_EMAILS),
        "can_record": may(Permission.RECORD_CONFLICTS),
        "here": f"/internal/leads/{lead_id}{own_suffix}",
        "check_address": f"/internal/leads/{lead_id}/conflict{own_suffix}",
        "list_address": f"/internal/leads{suffix}",
        "list_query": query,
    }


def _origin(text: str, suffix: str) -> Origin | None:
    lead_id = whole_number(text)
    if lead_id is None:
        return None
    return Origin(lead_id, f"/internal/leads/{lead_id}{suffix}", f"?{ORIGIN}={lead_id}" + suffix.replace("?", "&", 1))


def _others(lead: LeadRow) -> list[LeadRow]:
    if lead.lead_count < 2:
        return []
    found = lookup.list_leads_of_prospect(lead.prospect_id)
    return [other for other in found if other.id != lead.id]


def _said_of(lead: LeadRow, clock: Clock) -> str:
    if lead.reached_out_at is None:
        return f"pending, sent {in_sentence(clock.day(lead.created_at))}"
    return f"reached out {in_sentence(clock.day(lead.reached_out_at))}"


def _reached(lead: LeadRow, events: list[EventRow], clock: Clock) -> str:
    mark = next((event for event in events if event.kind == EventKind.REACHED_OUT), None)
    you = mark is not None and mark.actor_kind == "user" and mark.actor_id == reader().id
    when = in_sentence(clock.moment(lead.reached_out_at or lead.updated_at)).replace(", ", " at ")
    return f"Reached out {when} by {'you' if you else lead.reached_out_by}"


def _attorney_options(lead: LeadRow, people: dict[str, str]) -> list[tuple[str, str, bool]]:
    """Return (value, label, chosen) of the attorney's select."""
    current = lead.attorney_email
    options = [("", "Unassigned (helpdesk)", current is None)]
    return options + [(email, name, email == current) for email, name in people.items()]


def _place(asked: ListFilter, lead: LeadRow, clock: Clock) -> Place:
    sort = asked.leads.sort
    here = queries.cursor_at(asked.leads, lead.id)
    if here is None:
        return Place("", "", "", ORDER_WORDS[sort])
    after = replace(asked.leads, limit=1, cursor=here)
    before = replace(asked.leads, limit=_COUNTED_BEFORE, cursor=here._replace(backwards=True))
    following = queries.list_leads(after).rows
    previous = queries.list_leads(before)
    words = "" if previous.previous_cursor else _place_words(asked, lead, len(previous.rows) + 1, clock)
    return Place(
        _address(previous.rows[-1].id, asked) if previous.rows else "",
        _address(following[0].id, asked) if following else "",
        words,
        ORDER_WORDS[sort],
    )


def _address(lead_id: int, asked: ListFilter) -> str:
    query = asked.query()
    return f"/internal/leads/{lead_id}" + (f"?{query}" if query else "")


def _place_words(asked: ListFilter, lead: LeadRow, position: int, clock: Clock) -> str:
    """Return "1 of 16 pending" for the lists whose length is known anyway, else ""."""
    view = "pending" if asked.is_only(status="PENDING") else asked.view
    if lead.status != LeadStatus.PENDING or not view or view == "all":
        return ""
    counts = Desk().counts
    inside = {
        "pending": (counts.pending, "pending", True),
        "mine": (counts.mine, "of yours", lead.attorney_email == reader().email),
        "unassigned": (counts.unassigned, "unassigned", lead.attorney_email is None),
        "late": (counts.waiting, "late", not counts.has_target and lateness(lead, clock) != ""),
        "overdue": (counts.waiting, "overdue", counts.has_target and lateness(lead, clock) == VERY_LATE),
    }
    total, word, belongs = inside[view]
    return f"{position} of {total} {word}" if belongs else ""

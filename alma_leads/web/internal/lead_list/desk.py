"""The desk's list of leads as a page, and as the part of it that a script swaps. A lead's page is in `lead_page`."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import settings
from alma_leads.leads.assignments.assignment_service import active_attorneys
from alma_leads.leads.bulk import bulk
from alma_leads.leads.core.attorneys import Attorney
from alma_leads.leads.listing import queries
from alma_leads.leads.listing.filters import DEFAULT_SORT, LeadFilter
from alma_leads.leads.listing.queries import LeadPage
from alma_leads.resumes.sandbox.words import words_of
from alma_leads.web.auth import access, may, needs
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.desk_frame import Desk, capped, in_words, with_absence
from alma_leads.web.internal.frame.responses import private, wants_part
from alma_leads.web.internal.lead_list.bulk_page import HELPDESK, progress_of
from alma_leads.web.internal.lead_list.lead_rows import rows_html
from alma_leads.web.internal.lead_list.list_filter import DATES, RECEIVED, ListFilter
from alma_leads.web.internal.lead_list.list_request import ORDER_WORDS, parse_list_filter
from alma_leads.web.internal.lead_list.list_tabs import tabs_of
from alma_leads.web.sessions import reader

_COUNTED_WITHOUT_FILTERS = 10


class Heading(NamedTuple):
    """A column heading that sorts. `sorted` is the value of `aria-sort`, or ""."""

    label: str
    query: str
    sorted: str
    icon: str
    hint: str


class NothingFound(NamedTuple):
    """What an empty list says. `search_all` is the query that drops the filters but keeps the search, or ""."""

    heading: str
    advice: str
    search_all: str


@internal.get("/")
@access(needs(Permission.READ_LEADS))
def home() -> Response:
    """Go to the list."""
    return make_response(redirect("/internal/leads", 303))


def leads_page() -> Response:
    """Return the list: the whole page, or only its `#list` when a script asked for that.

    Raises:
        BadFilter: a parameter cannot be used.
    """
    whole, frame, can_update = not wants_part("list"), Desk(), may(Permission.UPDATE_LEADS)
    asked = parse_list_filter(request.args.items(multi=True))
    page = queries.list_leads(asked.leads)
    counts = frame.counts
    views = tabs_of(asked, counts)
    has_more = bool(page.next_cursor or page.previous_cursor)
    matching = queries.count_capped(asked.leads) if can_update and has_more else None
    working = bulk.find_last_action(reader().id) if whole and can_update else None
    hidden = asked.is_filtered and not page.rows
    people = active_attorneys()
    here = asked.query(cursor=request.args.get("cursor", ""))
    address = "/internal/leads" + (f"?{here}" if here else "")
    body = render_template(
        "internal/leads.html" if whole else "internal/leads_list.html",
        desk=frame,
        rows=rows_html(page.rows, frame.clock, can_update=can_update, list_query=asked.query()),
        count=len(page.rows),
        list=asked,
        chosen=asked.chosen,
        cursor=asked.leads.cursor,
        newest=counts.newest,
        views=views,
        newest_first=asked.query(sort=""),
        here_query=asked.query(),
        in_resumes=_in_resumes(asked),
        here=address,
        headings=_headings(asked),
        order_words=ORDER_WORDS[asked.leads.sort],
        orders=[(sort, words[0].upper() + words[1:], sort == asked.leads.sort) for sort, words in ORDER_WORDS.items()],
        notice=asked.notice,
        pages=_pages(asked, page),
        matching=capped(matching) if matching else "",
        bulk=progress_of(working, frame.clock) if working else None,
        nothing=_nothing_found(asked, people) if hidden else None,
        nothing_yet=not (page.rows or asked.is_filtered or asked.leads.cursor),
        attorney_options=_attorney_options(asked, people),
        received_options=[*RECEIVED.items(), (DATES, "Choose dates…")],
        export_query=asked.export_query(),
        form_address=f"{settings().PUBLIC_URL}/",
        inactive=_inactive(asked, people) if whole else "",
        can_update=can_update,
        assignees=_assignees(people) if may(Permission.ASSIGN_LEADS) else [],
        can_export=may(Permission.EXPORT_LEADS),
        part=not whole,
    )
    response = private(make_response(body))
    if not whole:
        response.headers["HX-Push-Url"] = address  # without the form's empty fields
    return response


def _headings(asked: ListFilter) -> dict[str, Heading]:
    columns = {
        "prospect": ("Prospect", "last_name", "last_name", "sort by last name"),
        "received": ("Received", "created_at", DEFAULT_SORT, "sort by date, newest first"),
        "attorney": ("Attorney", "attorney", "attorney", "sort by attorney"),
        "status": ("Status", "status", "status", "sort by status, pending first"),
    }
    return {name: _heading(asked, *column) for name, column in columns.items()}


def _heading(asked: ListFilter, label: str, column: str, first: str, hint: str) -> Heading:
    sort = asked.leads.sort
    if sort.lstrip("-") != column:
        return Heading(label, asked.query(sort=first), "", "sort", hint)
    turned = column if sort.startswith("-") else f"-{column}"
    now, then = ORDER_WORDS[sort], ORDER_WORDS[turned]
    direction, icon = ("descending", "arrow-down") if sort.startswith("-") else ("ascending", "arrow-up")
    return Heading(label, asked.query(sort=turned), direction, icon, f"{now}; show {then}")


def _in_resumes(asked: ListFilter) -> str:
    """Return the query that looks for the same words in resumes instead, or ""."""
    typed = asked.chosen.get("q", "")
    return asked.query(q="", resume=typed) if words_of(typed) and not asked.leads.resume_words else ""


def _pages(asked: ListFilter, page: LeadPage) -> tuple[tuple[str, str, str], ...]:
    """Return (query or "", rel, label) of the neighbours."""
    words = {"-created_at": ("Newer", "Older"), "created_at": ("Older", "Newer")}
    back, forth = words.get(asked.leads.sort, ("Previous", "Next"))
    previous, following = page.previous_cursor, page.next_cursor
    return (
        (asked.query(cursor=previous) if previous else "", "prev", back),
        (asked.query(cursor=following) if following else "", "next", forth),
    )


def _attorney_options(asked: ListFilter, people: list[Attorney]) -> list[tuple[str, str]]:
    """Return (value, label) of the attorney filter; someone no longer active stays there while chosen."""
    options = [("", "Anyone"), ("me", "Me"), ("none", "Unassigned")]
    options += [(person.email, person.name) for person in people if person.id != reader().id]
    chosen = asked.chosen.get("assigned_to", "")
    known = {value for value, _ in options}
    return options if chosen in known else [*options, (chosen, chosen)]


def _assignees(people: list[Attorney]) -> list[tuple[str, str]]:
    """Return (value, label) of those who can be given prospects: the reader first, the helpdesk last."""
    named = sorted(people, key=lambda person: person.id != reader().id)
    mine = [(person.email, "Me" if person.id == reader().id else with_absence(person)) for person in named]
    return [*mine, (HELPDESK, "Helpdesk")]


def _inactive(asked: ListFilter, people: list[Attorney]) -> str:
    """Return the address of the attorney whose leads are shown if that person is not active any more, else ""."""
    chosen = asked.chosen.get("assigned_to", "")
    return "" if chosen in ("", "me", "none", *(person.email for person in people)) else chosen


def _nothing_found(asked: ListFilter, people: list[Attorney]) -> NothingFound:
    status = {"PENDING": "pending ", "REACHED_OUT": "reached-out "}.get(asked.chosen.get("status", ""), "")
    status = f"overdue {status}" if asked.leads.overdue_at else status
    status = f"returning {status}" if asked.leads.returning else status
    owner = asked.chosen.get("assigned_to", "")
    names = {person.email: f" of {person.name}" for person in people}
    names |= {"": "", "me": " of yours", "none": " of the helpdesk"}
    whose = names.get(owner, f" of {owner}")
    received = {"7d": " of the last 7 days", "30d": " of the last 30 days", "late": " of 3 days ago or more"}
    when = received.get(asked.chosen.get("received", ""), " of these dates" if "received" in asked.chosen else "")
    when = f"{when} with mail trouble" if asked.leads.mail_trouble else when
    when = f"{when} with “{asked.chosen['resume'].strip()}” in the resume" if asked.leads.resume_words else when
    when = f"{when} in conflict" if asked.leads.in_conflict else when
    typed = asked.chosen.get("q", "").strip()
    if not typed:
        advice = "A filter hides the others."
        if asked.leads.resume_words:
            advice = "Searched are uploaded resumes, by whole words. What a link leads to is not read."
        return NothingFound(f"No {status}lead{whose}{when}", advice, "")
    heading = f"No {status}lead{whose}{when} matches “{typed}”"
    advice = "Search looks in names and email addresses."
    everything = LeadFilter(query=asked.leads.query, limit=_COUNTED_WITHOUT_FILTERS + 1)
    if replace(asked.leads, limit=everything.limit, sort=everything.sort, cursor=None) == everything:
        return NothingFound(heading, advice, "")
    found = len(queries.list_leads(everything).rows)
    if not found:
        return NothingFound(heading, f"{advice} No lead matches without the filters either.", "")
    number = in_words(found).capitalize() if found <= _COUNTED_WITHOUT_FILTERS else "More than ten"
    verb = "lead matches" if found == 1 else "leads match"
    query = ListFilter(everything, {"q": typed}).query()
    return NothingFound(heading, f"{advice} {number} {verb} without the filters.", query)

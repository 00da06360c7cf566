"""Many leads at once: asked for from the list, agreed to on a page that says how many, and followed to the end."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple
from urllib.parse import parse_qsl

from flask import Response, abort, make_response, redirect, render_template, request

from alma_leads.accounts.core.models import User
from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import db
from alma_leads.database.transactions import reading
from alma_leads.jobs.tasks import wake
from alma_leads.leads.assignments.assignment_service import get_attorney
from alma_leads.leads.bulk import bulk, bulk_service
from alma_leads.leads.bulk.bulk import Choice, Plan
from alma_leads.leads.bulk.models import BulkAction, Kind
from alma_leads.leads.core import lookup
from alma_leads.leads.core.errors import ListChanged
from alma_leads.leads.core.lookup import LeadRow
from alma_leads.leads.listing import queries
from alma_leads.web.auth import access, actor, may, needs
from alma_leads.web.back import back, go_back
from alma_leads.web.errors.problems import InputRefused
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import Clock
from alma_leads.web.internal.frame.responses import private, wants_part
from alma_leads.web.internal.frame.toasts import Toast, keep_toast
from alma_leads.web.internal.lead_list.list_request import parse_list_filter
from alma_leads.web.internal.lead_list.views_page import words_of
from alma_leads.web.requests.numbers import whole_number

MAX_CHOSEN = 1000  # as many as a page of the list can have
HELPDESK = "none"
SAID_FOR = timedelta(minutes=10)
_KINDS = {"reached_out": Kind.REACHED_OUT, "assign": Kind.ASSIGNED}


class Asked(NamedTuple):
    """What the form says. `leads` are the numbers that were ticked, each with the attorney that was seen there.

    `query` is the list whose leads are all meant, None when it is those that were ticked. `up_to` and `seen` come from
    the page that asks once more: the newest lead at that time, and the mark of what it showed.
    """

    kind: Kind
    attorney: User | None
    leads: dict[int, str | None]
    query: str | None
    up_to: int | None
    seen: str


class Left(NamedTuple):
    """A lead that was ticked and is left as it is, and why."""

    lead: LeadRow
    why: str


class Progress(NamedTuple):
    """How far an action is: of `people`, `handled` have had their turn. `here` is where that is said anew."""

    here: str
    words: str
    ended: bool
    handled: int
    people: int


@internal.post("/leads/bulk")
@access(needs(Permission.UPDATE_MANY))
def bulk_ask() -> Response:
    """Mark or assign several leads, or all of a list: asks once, with their number, then does it.

    Raises:
        BadFilter: there is no such list.
        InputRefused: a field cannot be used.
        NotAnActiveAttorney: the attorney is not one.
    """
    asked = _asked()
    if asked.kind is Kind.ASSIGNED and not may(Permission.ASSIGN_LEADS):
        abort(403)
    rows, left = _sorted_out(asked)
    with reading(db.engine) as connection:
        choice = _choice(asked, rows)
        plan = bulk.plan(connection, choice)
    if not plan.people and not left:
        keep_toast(Toast(_nothing_to_do(asked), icon="info"))
        return go_back()
    if not asked.seen:
        return _question(asked, choice, plan, rows, left)
    try:
        action = bulk_service.request(choice, seen=asked.seen, actor=actor())
    except ListChanged:
        return _question(asked, choice, plan, rows, left, changed=True)
    if action.people <= bulk_service.AT_ONCE:
        action = bulk_service.finish(action)
    wake()
    if action.finished_at is None:
        return make_response(redirect(f"/internal/leads/bulk/{action.id}", 303))
    keep_toast(Toast(outcome(action)))
    return go_back()


@internal.get("/leads/bulk/<int(max=9223372036854775807):action_id>")
@access(needs(Permission.UPDATE_MANY))
def bulk_progress(action_id: int) -> Response:
    """Return how far it is, as a page, or as the part of it that a script asks for every other second."""
    action = bulk.find_action(action_id)
    if action is None:
        abort(404)
    template = "internal/leads_bulk_bar.html" if wants_part("bulk") else "internal/leads_bulk_progress.html"
    return private(make_response(render_template(template, bulk=_progress(action))))


def progress_of(action: BulkAction, clock: Clock) -> Progress | None:
    """Return what the list says of an action: how far it is, and for a while how it ended, unless that was said."""
    at_once = action.people <= bulk_service.AT_ONCE
    if action.finished_at and (at_once or action.finished_at < clock.now - SAID_FOR):
        return None
    return _progress(action)


def _progress(action: BulkAction) -> Progress:
    words = outcome(action) if action.finished_at else _doing(action)
    here = f"/internal/leads/bulk/{action.id}"
    return Progress(here, words, action.finished_at is not None, action.handled, action.people)


def _doing(action: BulkAction) -> str:
    if action.kind == Kind.REACHED_OUT:
        return f"Marking {_number(action.leads, 'lead', 'leads')} reached out"
    return f"Assigning {_number(action.people, 'prospect', 'prospects')} to {action.attorney_name}"


def outcome(action: BulkAction) -> str:
    """Return how an action ended, and what it left alone."""
    if action.kind == Kind.REACHED_OUT:
        missed = action.leads - action.changed
        said = f"{_number(action.changed, 'lead is', 'leads are')} marked reached out."
        return said + (f" A colleague had marked {missed:,} meanwhile." if missed > 0 else "")
    given = _number(action.handled - action.skipped, "prospect is", "prospects are")
    said = f"{given} with {action.attorney_name}."
    if not action.skipped:
        return said
    others = _number(action.skipped, "prospect was", "prospects were")
    if not action.can_be_assigned:
        return f"{said} {others} left where they were: {action.attorney_name} takes no prospects any more."
    return f"{said} {others} given to somebody else by a colleague meanwhile, and left there."


def _asked() -> Asked:
    form = request.form
    kind = _KINDS.get(form.get("do", ""))
    if kind is None:
        raise InputRefused([("do", "Give reached_out or assign")])
    attorney = None
    if kind is Kind.ASSIGNED:
        wanted = form.get("attorney", "")
        if not wanted:
            raise InputRefused([("attorney", "Choose who gets the prospects")])
        attorney = None if wanted == HELPDESK else get_attorney(wanted)
    up_to, agreed = whole_number(form.get("up_to", "")), form.get("seen", "")
    if "all" in form:
        return Asked(kind, attorney, {}, form.get("query", ""), up_to, agreed)
    leads: dict[int, str | None] = {}
    for text in form.getlist("id"):
        number, with_seen, seen = text.partition(" ")
        lead_id = whole_number(number)
        if lead_id is None:
            raise InputRefused([("id", "Give the numbers of leads")])
        leads.setdefault(lead_id, seen if with_seen else None)
    if not 1 <= len(leads) <= MAX_CHOSEN:
        raise InputRefused([("id", f"Choose 1 to {MAX_CHOSEN} leads")])
    return Asked(kind, attorney, leads, None, up_to, agreed)


def _sorted_out(asked: Asked) -> tuple[list[LeadRow], list[Left]]:
    """Return the ticked leads that something can be done to, and those that somebody was faster with."""
    rows, left = [], []
    new = asked.attorney.email if asked.attorney else None
    for row in lookup.list_leads_by_id(list(asked.leads)):
        seen = asked.leads[row.id]
        if asked.kind is Kind.REACHED_OUT:
            if row.status == "PENDING":
                rows.append(row)
            else:
                left.append(Left(row, f"Reached out already, by {row.reached_out_by}"))
        elif row.attorney_email != new:
            if seen is None or seen == (row.attorney_email or ""):
                rows.append(row)
            else:
                left.append(Left(row, f"A colleague was faster: with {row.attorney_name or 'the helpdesk'} now"))
    return rows, left


def _choice(asked: Asked, rows: list[LeadRow]) -> Choice:
    up_to = queries.newest_id() if asked.up_to is None else asked.up_to
    attorney_id = asked.attorney.id if asked.attorney else None
    if asked.query is None:
        numbers = [row.id for row in rows]
        return bulk.choose_leads(numbers, kind=asked.kind, attorney_id=attorney_id, up_to=up_to)
    pairs = [(name, value) for name, value in parse_qsl(asked.query) if name != "cursor"]
    wanted = parse_list_filter(pairs).leads
    return bulk.choose_list(wanted, kind=asked.kind, attorney_id=attorney_id, up_to=up_to)


def _nothing_to_do(asked: Asked) -> str:
    if asked.kind is Kind.REACHED_OUT:
        return "These leads were reached out already."
    return f"These prospects are with {asked.attorney.name if asked.attorney else 'the helpdesk'} already."


def _question(
    asked: Asked, choice: Choice, plan: Plan, rows: list[LeadRow], left: list[Left], *, changed: bool = False
) -> Response:
    """Return the page that says what would be done, and asks."""
    whose = asked.attorney.name if asked.attorney else "the helpdesk"
    marks = asked.kind is Kind.REACHED_OUT
    leads, people = _number(plan.leads, "lead", "leads"), _number(plan.people, "person", "people")
    of_people = "" if plan.leads == plan.people else f" of {people}"
    page = render_template(
        "internal/leads_bulk.html",
        heading=f"Mark {leads}{of_people} reached out?" if marks else f"Assign {leads}{of_people} to {whose}?",
        button="Mark reached out" if marks else "Assign",
        marks=marks,
        do=request.form["do"],
        attorney=request.form.get("attorney", ""),
        query=asked.query,
        words=None if asked.query is None else words_of(asked.query, arranged=False),
        plan=plan,
        up_to=choice.up_to,
        rows=rows,
        left=left,
        changed=changed,
        next=back(),
    )
    return private(make_response(page, 409 if changed else 200))


def _number(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"

"""Saved views: the form that names one, the page that lists them, and what is said when one has gone stale."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.leads.assignments.assignment_service import active_attorneys
from alma_leads.leads.core.errors import TooManyViews
from alma_leads.leads.listing import view_service
from alma_leads.leads.listing.filters import BadFilter
from alma_leads.leads.listing.models import SavedView
from alma_leads.leads.listing.saved_views import get_view, list_views
from alma_leads.web.auth import access, may, needs
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.frame.toasts import Toast, keep_toast
from alma_leads.web.internal.lead_list.list_filter import DATES, RECEIVED
from alma_leads.web.internal.lead_list.list_request import ORDER_WORDS, parse_list_filter
from alma_leads.web.sessions import reader

VIEW_ID = "<int(max=9223372036854775807):view_id>"
MAX_NAME_LENGTH = 60
_HOME = "/internal/views"


@internal.get("/views")
@access(needs(Permission.OWN_ACCOUNT))
def views_page() -> Response:
    """List the saved views that the reader sees."""
    views = list_views(reader().id)
    shown = [(view, words_of(view.query), _may_delete(view)) for view in views]
    return private(make_response(render_template("internal/views.html", views=shown, me=reader().id)))


@internal.get("/views/new")
@access(needs(Permission.OWN_ACCOUNT))
def new_view() -> Response:
    """Show the form that names the list whose query string this is.

    Raises:
        BadFilter: there is no such list.
    """
    query = parse_list_filter(_without_cursor(request.args.items(multi=True))).query()
    return _form(query, name="", shared=False, errors={}, status=200)


@internal.post("/views")
@access(needs(Permission.OWN_ACCOUNT))
def save_view() -> Response:
    """Keep a list under a name, and go there.

    Raises:
        BadFilter: there is no such list.
    """
    typed = request.form.get("name", "")
    name = " ".join("".join(char if char.isprintable() else " " for char in typed).split())
    shared = request.form.get("shared") == "1" and may(Permission.SHARE_VIEWS)
    query = parse_list_filter(_without_cursor(parse_qsl(request.form.get("query", "")))).query()
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        errors = {"name": f"Enter a name of 1 to {MAX_NAME_LENGTH} characters"}
        return _form(query, name=name, shared=shared, errors=errors, status=422)
    try:
        view_service.save_view(owner_id=reader().id, name=name, query=query, shared=shared)
    except TooManyViews as error:
        return _form(query, name=name, shared=shared, errors={"name": str(error)}, status=422)
    keep_toast(Toast(f"“{name}” is saved{', for everyone' if shared else ''}."))
    return _to_list(query)


@internal.get(f"/views/{VIEW_ID}")
@access(needs(Permission.OWN_ACCOUNT))
def open_view(view_id: int) -> Response:
    """Go to the list of a saved view, or say why it cannot be shown any more.

    Raises:
        ViewNotFound: the reader has no such view.
    """
    view = get_view(view_id, user_id=reader().id)
    stale = _stale_fields(view)
    if not stale:
        return _to_list(view.query)
    rest = urlencode([(name, value) for name, value in parse_qsl(view.query) if name not in stale])
    gone = dict(parse_qsl(view.query)).get("assigned_to", "") if "assigned_to" in stale else ""
    page = render_template(
        "internal/view_stale.html", view=view, gone=gone, rest=rest, may_delete=_may_delete(view), words=words_of(rest)
    )
    return private(make_response(page))


@internal.post(f"/views/{VIEW_ID}/delete")
@access(needs(Permission.OWN_ACCOUNT))
def delete_view(view_id: int) -> Response:
    """Delete a saved view.

    Raises:
        ViewNotFound: there is none that the reader may delete.
    """
    view_service.delete_view(view_id, user_id=reader().id, any_shared=may(Permission.MANAGE_VIEWS))
    keep_toast(Toast("The view is deleted."))
    return make_response(redirect(_HOME, 303))


def words_of(query: str, *, arranged: bool = True) -> str:
    """Return what the list with this query string shows, in words: "Pending, of Daniel Kim, oldest first".

    Not `arranged`: without its order; "All leads" when that leaves nothing.
    """
    asked = dict(parse_qsl(query))
    names = {person.email: person.name for person in active_attorneys()} | {"me": "whoever reads it"}
    owner, received = asked.get("assigned_to", ""), asked.get("received", "")
    search = asked.get("q", "")
    days = f"received {asked.get('created_from', '…')[:10]} to {asked.get('created_to', '…')[:10]}"
    said = [
        {"PENDING": "pending", "REACHED_OUT": "reached out"}.get(asked.get("status", ""), ""),
        "overdue" if "overdue" in asked else "",
        "returning" if "returning" in asked else "",
        "with mail trouble" if "mail" in asked else "",
        "in conflict" if "conflict" in asked else "",
        "without attorney" if owner == "none" else f"of {names.get(owner, owner)}" if owner else "",
        days if received == DATES or "created_from" in asked or "created_to" in asked else "",
        f"received: {RECEIVED[received].lower()}" if received and received in RECEIVED else "",
        f"with “{search}” in name or address" if search else "",
        f"with “{asked['resume']}” in the resume" if "resume" in asked else "",
        ORDER_WORDS.get(asked.get("sort", "-created_at"), "") if arranged else "",
    ]
    words = ", ".join(word for word in said if word) or "all leads"
    return words[:1].upper() + words[1:]


def _without_cursor(pairs: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if name != "cursor"]


def _to_list(query: str) -> Response:
    return make_response(redirect(f"/internal/leads?{query}" if query else "/internal/leads", 303))


def _may_delete(view: SavedView) -> bool:
    return view.owner_id == reader().id or (view.shared and may(Permission.MANAGE_VIEWS))


def _stale_fields(view: SavedView) -> set[str]:
    try:
        parse_list_filter(parse_qsl(view.query))
    except BadFilter as error:
        return {field for field, _ in error.errors}
    return set()


def _form(query: str, *, name: str, shared: bool, errors: dict[str, str], status: int) -> Response:
    page = render_template(
        "internal/view_form.html",
        query=query,
        words=words_of(query),
        name=name,
        shared=shared,
        errors=errors,
        can_share=may(Permission.SHARE_VIEWS),
        longest=MAX_NAME_LENGTH,
    )
    return private(make_response(page, status))

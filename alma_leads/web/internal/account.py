"""The account page: password, browsers that are signed in, and how the desk works for its reader."""

from __future__ import annotations

import zoneinfo
from functools import cache

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.errors import WeakPassword
from alma_leads.accounts.links import token_hash
from alma_leads.accounts.password_service import change_password
from alma_leads.accounts.permissions import Permission
from alma_leads.accounts.profile_service import set_preferences
from alma_leads.accounts.session_service import end_sessions, list_sessions
from alma_leads.accounts.sign_in_service import confirm_with_password
from alma_leads.extensions import settings
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.internal.blueprint import internal
from alma_leads.web.internal.desk_frame import reader_clock
from alma_leads.web.sessions import begin_browser_session, reader, session_token, visitor

THEMES = ("", "light", "dark")
YEAR_SECONDS = 31_536_000


@internal.get("/settings")
@access(needs(Permission.OWN_ACCOUNT))
def settings_home() -> Response:
    """Lead to the settings that everyone has."""
    return make_response(redirect("/internal/account", 303))


@internal.get("/account")
@access(needs(Permission.OWN_ACCOUNT))
def account() -> Response:
    """Show the account page."""
    return _page({})


@internal.post("/account/password")
@access(needs(Permission.OWN_ACCOUNT))
def save_new_password() -> Response:
    """Change the password; every other browser is signed out."""
    person = reader()
    password = request.form.get("current_password", "")
    opened = confirm_with_password(person.email, password, token=session_token(), visitor=visitor())
    if opened is None:
        return _page({"current_password": "This is not your present password"}, status=422)
    begin_browser_session(opened)
    try:
        change_password(actor(), password=request.form.get("new_password", ""), keep_session=opened.token)
    except WeakPassword as weak:
        return _page({"new_password": str(weak)}, status=422)
    return _back("password")


@internal.post("/account/sessions/end")
@access(needs(Permission.OWN_ACCOUNT))
def end_other_browsers() -> Response:
    """Sign out everywhere else."""
    end_sessions(reader().id, keep=session_token(), actor=actor())
    return _back("sessions")


@internal.post("/account/preferences")
@access(needs(Permission.OWN_ACCOUNT))
def save_preferences() -> Response:
    """Keep how the desk works for its reader."""
    zone, theme = request.form.get("time_zone", "UTC"), request.form.get("theme", "")
    if zone not in _zones() or theme not in THEMES:
        return _page({"time_zone": "Choose a time zone from the list"}, status=422)
    keys = "single_key_shortcuts" in request.form
    set_preferences(reader().id, time_zone=zone, theme=theme, single_key_shortcuts=keys)
    response = _back("preferences")
    # Pages before sign-in follow the cookie, so that nothing flashes.
    secure = settings().PUBLIC_URL.startswith("https://")
    response.set_cookie("theme", theme, max_age=YEAR_SECONDS, secure=secure, httponly=True, samesite="Lax")
    return response


@cache
def _zones() -> tuple[str, ...]:
    # Reads a folder tree: once is enough. A machine without one still knows UTC.
    return tuple(sorted(zoneinfo.available_timezones() | {"UTC"}))


def _back(place: str) -> Response:
    return make_response(redirect(f"/internal/account?saved={place}", 303))


def _page(errors: dict[str, str], *, status: int = 200) -> Response:
    clock, person = reader_clock(), reader()
    mine = token_hash(session_token())
    sessions = [
        (row.token_hash == mine, row.user_agent, row.address, clock.moment(row.last_seen_at))
        for row in list_sessions(reader().id)
    ]
    changed = person.password_changed_at
    page = render_template(
        "internal/settings/account.html",
        section="settings",
        tab="account",
        errors=errors,
        saved=request.args.get("saved", ""),
        sessions=sessions,
        changed=clock.day(changed.isoformat()) if changed else "",
        zones=_zones(),
        person=person,
    )
    return make_response(page, status)

"""The account page: password, browsers that are signed in, and how the desk works for its reader."""

from __future__ import annotations

import zoneinfo
from functools import cache

from flask import Response, make_response, redirect, render_template, request
from flask_security import current_user, verify_password

from alma_leads.accounts.errors import WeakPassword
from alma_leads.accounts.links import token_hash
from alma_leads.accounts.passwords import normalise_password
from alma_leads.accounts.permissions import Permission
from alma_leads.accounts.service import change_password, list_people, set_preferences
from alma_leads.accounts.session_service import begin_sign_in, end_other_sessions, finish_sign_in, list_sessions
from alma_leads.extensions import settings
from alma_leads.web.auth import access, needs
from alma_leads.web.internal.blueprint import internal
from alma_leads.web.internal.desk_frame import reader_clock
from alma_leads.web.security import rotate_session, session_token

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
    attempt = begin_sign_in(current_user.email, address=request.remote_addr or "")
    if not verify_password(normalise_password(request.form.get("current_password", "")), current_user.password):
        return _page({"current_password": "This is not your present password"}, status=422)
    finish_sign_in(attempt, current_user.email)
    try:
        change_password(current_user.id, password=request.form.get("new_password", ""), keep_session=session_token())
    except WeakPassword as weak:
        return _page({"new_password": str(weak)}, status=422)
    rotate_session(current_user._get_current_object())
    return _back("password")


@internal.post("/account/sessions/end")
@access(needs(Permission.OWN_ACCOUNT))
def end_other_browsers() -> Response:
    """Sign out everywhere else."""
    end_other_sessions(current_user.id, keep=session_token())
    return _back("sessions")


@internal.post("/account/preferences")
@access(needs(Permission.OWN_ACCOUNT))
def save_preferences() -> Response:
    """Keep how the desk works for its reader."""
    zone, theme = request.form.get("time_zone", "UTC"), request.form.get("theme", "")
    if zone not in _zones() or theme not in THEMES:
        return _page({"time_zone": "Choose a time zone from the list"}, status=422)
    keys = "single_key_shortcuts" in request.form
    set_preferences(current_user.id, time_zone=zone, theme=theme, single_key_shortcuts=keys)
    response = _back("preferences")
    # Pages before sign-in follow the cookie, so that nothing flashes.
    secure = settings().PUBLIC_URL.startswith("https://")
    response.set_cookie("theme", theme, max_age=YEAR_SECONDS, secure=secure, httponly=True, samesite="Lax")
    return response


@internal.get("/settings/people")
@access(needs(Permission.MANAGE_PEOPLE))
def people() -> str:
    """Show everyone of the firm."""
    clock = reader_clock()
    rows = [(person, clock.moment(person.last_seen_at) if person.last_seen_at else "") for person in list_people()]
    return render_template("internal/settings/people.html", section="settings", tab="people", people=rows)


@cache
def _zones() -> tuple[str, ...]:
    # Reads a folder tree: once is enough. A machine without one still knows UTC.
    return tuple(sorted(zoneinfo.available_timezones() | {"UTC"}))


def _back(place: str) -> Response:
    return make_response(redirect(f"/internal/account?saved={place}", 303))


def _page(errors: dict[str, str], *, status: int = 200) -> Response:
    clock = reader_clock()
    mine = token_hash(session_token())
    sessions = [
        (row.token_hash == mine, row.user_agent, row.address, clock.moment(row.last_seen_at))
        for row in list_sessions(current_user.id)
    ]
    changed = current_user.password_changed_at
    page = render_template(
        "internal/settings/account.html",
        section="settings",
        tab="account",
        errors=errors,
        saved=request.args.get("saved", ""),
        sessions=sessions,
        changed=clock.day(changed.isoformat()) if changed else "",
        zones=_zones(),
        person=current_user,
    )
    return make_response(page, status)

"""The account page: password, browsers that are signed in, and how the desk works for its reader.

Its second factors are changed in `second_factor_page`.
"""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.core.errors import WeakPassword
from alma_leads.accounts.core.links import token_hash
from alma_leads.accounts.core.password_rule import need_passwords, passwords_are_on
from alma_leads.accounts.core.permissions import Permission
from alma_leads.accounts.core.proofs import in_words
from alma_leads.accounts.core.session_service import end_session, end_sessions, list_sessions
from alma_leads.accounts.second_factor.passkey_service import list_passkeys
from alma_leads.accounts.second_factor.second_factor_service import own_factors
from alma_leads.accounts.sign_in.password_service import change_password
from alma_leads.accounts.sign_in.sign_in_service import confirm_with_password
from alma_leads.accounts.users.profile_service import set_preferences
from alma_leads.database.base import to_stamp
from alma_leads.jobs.tasks import wake
from alma_leads.leads.assignments.absence_service import remove_absence
from alma_leads.leads.reminders.digest_service import set_digest, wants_digest
from alma_leads.web.auth import access, actor, may, needs
from alma_leads.web.internal.account.absence_form import absence_view, save_absence
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import zone_names
from alma_leads.web.sessions import begin_browser_session, client_info, forget_browser, reader, session_token
from alma_leads.web.theme import THEMES, keep_theme

# What the page says after something was done on it, by the word in its address.
NOTICES = {
    "name": "Your name is changed. What you did before keeps the old one.",
    "email": "An email is on its way to the new address. Open the link in it to confirm.",
    "email-changed": "Your email address is changed. Sign in with it from now on. Every other browser is signed out.",
    "password": "Your password is changed. Every other browser is signed out.",
    "sessions": "Every other browser is signed out.",
    "session": "That browser is signed out.",
    "preferences": "Saved.",
    "away": "Saved. While you are away, reminders of your leads go to the helpdesk.",
    "not-away": "Removed.",
    "app": "Your authenticator app is set up. Every other browser is signed out.",
    "app-removed": "The app opens nothing any more. Every other browser is signed out.",
    "passkey": "The passkey is added: sign in with it from now on. Every other browser is signed out.",
    "passkey-removed": "The passkey opens nothing any more: delete it on its device too. "
    "Every other browser is signed out.",
    "recovery-code": "You came in with a recovery code, which is used up. "
    "If your phone is lost, set up the app on another one now.",
}


@internal.get("/settings")
@access(needs(Permission.OWN_ACCOUNT))
def settings_home() -> Response:
    """Lead to the settings that everyone has."""
    return make_response(redirect("/internal/account", 303))


@internal.get("/account")
@access(needs(Permission.OWN_ACCOUNT))
def account() -> Response:
    """Show the account page."""
    return account_page({})


@internal.get("/account/password")
@access(needs(Permission.OWN_ACCOUNT, fresh=True))
def new_password() -> Response:
    """Ask for another password."""
    need_passwords()
    return _password_page({})


@internal.post("/account/password")
@access(needs(Permission.OWN_ACCOUNT, fresh=True))
def save_new_password() -> Response:
    """Change the password; every other browser is signed out."""
    person = reader()
    password = request.form.get("current_password", "")
    opened = confirm_with_password(person.email, password, token=session_token(), client=client_info())
    if opened is None:
        return _password_page({"current_password": "This is not your present password"})
    begin_browser_session(opened)
    try:
        change_password(actor(), password=request.form.get("new_password", ""), keep_session=opened.token)
    except WeakPassword as weak:
        return _password_page({"new_password": str(weak)})
    return back_to_account("password")


@internal.post("/account/sessions/end")
@access(needs(Permission.OWN_ACCOUNT))
def end_other_browsers() -> Response:
    """Sign out everywhere else, or everywhere."""
    everywhere = request.form.get("which") == "all"
    end_sessions(reader().id, keep="" if everywhere else session_token(), actor=actor())
    if everywhere:
        return forget_browser(make_response(redirect("/login", 303)))
    return back_to_account("sessions")


@internal.post("/account/sessions/<int(max=9223372036854775807):session_id>/end")
@access(needs(Permission.OWN_ACCOUNT))
def end_one_browser(session_id: int) -> Response:
    """Sign one other browser out."""
    end_session(session_id, actor=actor())
    return back_to_account("session")


@internal.post("/account/preferences")
@access(needs(Permission.OWN_ACCOUNT))
def save_preferences() -> Response:
    """Keep how the desk works for its reader."""
    zone, theme = request.form.get("time_zone", ""), request.form.get("theme", "")
    if zone not in ("", *zone_names()) or theme not in THEMES:
        return account_page({"time_zone": "Choose a time zone from the list"}, status=422)
    keys = "single_key_shortcuts" in request.form
    set_preferences(reader().id, time_zone=zone, theme=theme, single_key_shortcuts=keys)
    if may(Permission.UPDATE_LEADS):
        set_digest(reader().id, wanted="daily_digest" in request.form)
    response = back_to_account("preferences")
    keep_theme(response, theme)
    return response


@internal.post("/account/absences")
@access(needs(Permission.BE_AWAY))
def save_own_absence() -> Response:
    """Keep from when to when the reader is away."""
    errors = save_absence(reader().id)
    return account_page(errors, status=422) if errors else back_to_account("away")


@internal.post("/account/absences/<int(max=2147483647):absence_id>/remove")
@access(needs(Permission.BE_AWAY))
def remove_own_absence(absence_id: int) -> Response:
    """Take an absence back."""
    remove_absence(absence_id, user_id=reader().id, actor=actor())
    return back_to_account("not-away")


def _password_page(errors: dict[str, str]) -> Response:
    page = render_template("internal/password.html", errors=errors, email=reader().email)
    return make_response(page, 422 if errors else 200)


def back_to_account(done: str) -> Response:
    """Lead back to the page, which says what was done: see `NOTICES`. The person is told by e-mail too."""
    wake()
    return make_response(redirect(f"/internal/account?saved={done}" if done else "/internal/account", 303))


def account_page(errors: dict[str, str], *, status: int = 200) -> Response:
    """Return the page, with what is wrong by the field that it is about."""
    person = reader()
    mine = token_hash(session_token())
    sessions = [
        {
            "id": row.id,
            "mine": row.token_hash == mine,
            "agent": row.user_agent,
            "address": row.address,
            "since": to_stamp(row.created_at),
            "proofs": in_words(row.proofs),
            "last_seen": to_stamp(row.last_seen_at),
        }
        for row in list_sessions(person.id)
    ]
    factors, required = own_factors(person.id)
    changed = person.password_changed_at
    page = render_template(
        "internal/settings/account.html",
        section="settings",
        tab="account",
        errors=errors,
        notice=NOTICES.get(request.args.get("saved", ""), ""),
        sessions=sessions,
        factors=factors,
        required=required,
        passkeys=_passkeys(person.id),
        changed=to_stamp(changed) if changed else "",
        zones=zone_names(),
        person=person,
        digest=wants_digest(person.id) if may(Permission.UPDATE_LEADS) else None,
        absence=absence_view(person.id) if may(Permission.BE_AWAY) else None,
        passwords=passwords_are_on(),
    )
    return make_response(page, status)


def _passkeys(user_id: int) -> dict[str, Any]:
    own = list_passkeys(user_id)
    rows = [
        {
            "id": passkey.id,
            "name": passkey.name,
            "created_at": to_stamp(passkey.created_at),
            "last_used_at": to_stamp(passkey.last_used_at) if passkey.last_used_at else "",
        }
        for passkey in own.passkeys
    ]
    return {"rows": rows, "kept_because": own.kept_because}

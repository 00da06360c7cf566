"""Passkeys of one's own: added on a page of its own, removed from the account page, shown again to confirm."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.core.errors import LastCredential, PasskeyRefused, SecondFactorRequired, SessionExpired
from alma_leads.accounts.core.permissions import Permission
from alma_leads.accounts.second_factor.passkey_service import (
    MAX_NAME_LENGTH,
    SECOND_FACTOR_STAYS,
    add_passkey,
    registration_options,
    remove_passkey,
)
from alma_leads.accounts.second_factor.passkey_sign_in_service import confirm_with_passkey, confirmation_options
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.internal.account.account import account_page, back_to_account
from alma_leads.web.internal.account.account_confirm import confirm_page, confirm_wanted
from alma_leads.web.internal.account.second_factor_page import codes_page, is_enrolling
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.passkeys import NO_ANSWER, answer, browser_secret, options_response
from alma_leads.web.sessions import begin_browser_session, client_info, reader, session_token

NEEDS_FRESH = needs(Permission.SET_UP_SECOND_FACTOR, fresh=True)


@internal.get("/account/passkeys/new")
@access(NEEDS_FRESH)
def new_passkey() -> Response:
    """Ask for a name, and let the browser make a passkey."""
    return _new_page({})


@internal.post("/account/passkeys/options")
@access(NEEDS_FRESH)
def new_passkey_options() -> Response:
    """Hand out what a script passes to the browser."""
    return options_response(lambda: registration_options(reader().id, browser=browser_secret()))


@internal.post("/account/passkeys")
@access(NEEDS_FRESH)
def save_passkey() -> Response:
    """Keep the passkey that the browser has made."""
    name = " ".join(request.form.get("name", "").split())
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME_LENGTH:
        return _new_page({"name": f"Give it a name of 1 to {MAX_NAME_LENGTH} characters"}, status=422)
    if not answer():
        return _new_page({"": NO_ANSWER}, name=name, status=422)
    enrolling = is_enrolling()
    try:
        added = add_passkey(
            actor(), answer(), name=name, browser=browser_secret(), token=session_token(), client=client_info()
        )
    except PasskeyRefused as refused:
        return _new_page({"": str(refused)}, name=name, status=422)
    except SessionExpired:
        return make_response(redirect("/login", 303))
    begin_browser_session(added.opened)
    if added.codes:
        return codes_page(added.codes, enrolling=enrolling)
    return back_to_account("passkey")


@internal.post("/account/passkeys/<int(max=9223372036854775807):passkey_id>/remove")
@access(needs(Permission.OWN_ACCOUNT, fresh=True))
def drop_passkey(passkey_id: int) -> Response:
    """Remove a passkey."""
    try:
        remove_passkey(actor(), passkey_id, keep_session=session_token())
    except LastCredential as last:
        return account_page({"": str(last)}, status=409)
    except SecondFactorRequired:
        return account_page({"": SECOND_FACTOR_STAYS}, status=409)
    return back_to_account("passkey-removed")


@internal.post("/account/confirm/passkey/options")
@access(needs(Permission.SET_UP_SECOND_FACTOR))
def confirm_passkey_options() -> Response:
    """Hand out what a script passes to the browser."""
    return options_response(lambda: confirmation_options(reader().id, browser=browser_secret()))


@internal.post("/account/confirm/passkey")
@access(needs(Permission.SET_UP_SECOND_FACTOR))
def confirm_passkey() -> Response:
    """Take a passkey for who one is, and lead back to what was being done."""
    if not answer():
        return confirm_page({"": NO_ANSWER})
    opened = confirm_with_passkey(
        reader().id, answer(), browser=browser_secret(), token=session_token(), client=client_info()
    )
    if opened is None:
        return confirm_page({"": "That passkey was not taken. Try again"})
    begin_browser_session(opened)
    return make_response(redirect(confirm_wanted(), 303))


def _new_page(errors: dict[str, str], *, name: str = "", status: int = 200) -> Response:
    body = render_template("internal/passkey_new.html", errors=errors, name=name, enrolling=is_enrolling())
    return make_response(body, status)

"""Showing again who one is, before one changes how one comes in."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.accounts.core.permissions import Permission
from alma_leads.accounts.second_factor.passkey_service import has_passkey
from alma_leads.accounts.second_factor.second_factor_service import confirm_again, own_factors
from alma_leads.web.auth import access, needs
from alma_leads.web.back import is_inside
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.sessions import begin_browser_session, client_info, reader, session_token
from alma_leads.web.work_account import is_offered, leave


@internal.get("/account/confirm")
@access(needs(Permission.SET_UP_SECOND_FACTOR))
def confirm() -> Response:
    """Ask for the password, a passkey or the work account again."""
    return confirm_page({})


@internal.post("/account/confirm")
@access(needs(Permission.SET_UP_SECOND_FACTOR))
def confirm_password() -> Response:
    """Take the password, and a code where there is an app, and lead back to what was being done."""
    password, code = request.form.get("password", ""), request.form.get("code", "")[:100]
    opened = confirm_again(reader(), password, code, token=session_token(), client=client_info())
    if opened is None:
        has_app = own_factors(reader().id)[0].app
        words = "The password or the code is wrong, or the code was used already"
        return confirm_page({"password": words if has_app else "This is not your password"})
    begin_browser_session(opened)
    return make_response(redirect(confirm_wanted(), 303))


@internal.post("/account/confirm/sso")
@access(needs(Permission.SET_UP_SECOND_FACTOR))
def confirm_work_account() -> Response:
    """Lead to the identity provider, which asks again; `/login/sso/callback` leads back."""
    return leave(wanted=confirm_wanted(), confirming=True)


def confirm_wanted() -> str:
    """Return the page that confirming leads to."""
    asked = request.values.get("next", "")
    return asked if is_inside(asked) else "/internal/account"


def confirm_page(errors: dict[str, str]) -> Response:
    """Return the page that asks, with what was wrong."""
    person = reader()
    has, _ = own_factors(person.id)
    body = render_template(
        "internal/confirm.html",
        errors=errors,
        next=confirm_wanted(),
        email=person.email,
        by_password=person.password is not None and passwords_are_on() and (has.app or not has.has_second),
        by_code=has.app,
        by_work_account=is_offered() and has.work_account,
        by_passkey=has_passkey(person.id),
    )
    return make_response(body, 422 if errors else 200)

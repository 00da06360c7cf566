"""Showing again who one is, before one changes how one comes in."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.permissions import Permission
from alma_leads.accounts.sign_in_service import confirm_with_password
from alma_leads.web.auth import access, needs
from alma_leads.web.back import is_inside
from alma_leads.web.internal.blueprint import internal
from alma_leads.web.sessions import begin_browser_session, reader, session_token, visitor


@internal.get("/account/confirm")
@access(needs(Permission.SET_UP_SECOND_FACTOR))
def confirm() -> Response:
    """Ask for the password again."""
    return _page(wrong=False)


@internal.post("/account/confirm")
@access(needs(Permission.SET_UP_SECOND_FACTOR))
def confirm_password() -> Response:
    """Take the password, and lead back to what was being done."""
    password = request.form.get("password", "")
    opened = confirm_with_password(reader().email, password, token=session_token(), visitor=visitor())
    if opened is None:
        return _page(wrong=True)
    begin_browser_session(opened)
    return make_response(redirect(_wanted(), 303))


def _wanted() -> str:
    asked = request.values.get("next", "")
    return asked if is_inside(asked) else "/internal/account"


def _page(*, wrong: bool) -> Response:
    body = render_template("internal/confirm.html", wrong=wrong, next=_wanted(), email=reader().email)
    return make_response(body, 422 if wrong else 200)

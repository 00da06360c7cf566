"""Where each step of signing in leads, and how its pages are sent. No proof is looked at here."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.core.models import SessionStage
from alma_leads.accounts.sign_in.sign_in_service import Opened
from alma_leads.web.back import HOME, is_inside
from alma_leads.web.sessions import begin_browser_session

SECOND_STEP = "/login/code"
ENROLMENT = "/internal/account/second-factor"


def wanted() -> str:
    """Return the page of the desk that this sign-in shall lead to, or "" when it says none that is ours."""
    asked = request.values.get("next", "")
    return asked if is_inside(asked) else ""


def with_wanted(address: str, asked: str | None = None) -> str:
    """Return `address`, which then leads to the same page as this one, or to `asked`."""
    asked = wanted() if asked is None else asked
    return f"{address}?{urlencode({'next': asked})}" if asked else address


def go_on(opened: Opened, *, asked: str | None = None) -> Response:
    """Keep the session that has begun, and lead to the next step of it, or to the desk: to `asked` if it is given."""
    begin_browser_session(opened)
    return see_other(address_after(opened.stage, asked))


def address_after(stage: SessionStage, asked: str | None = None) -> str:
    """Return where a sign-in goes on that has come so far; `asked` is what the address of this request does not say."""
    asked = wanted() if asked is None else asked
    if stage is SessionStage.SECOND_FACTOR:
        return with_wanted(SECOND_STEP, asked)
    return ENROLMENT if stage is SessionStage.ENROLMENT else asked or HOME


def see_other(address: str) -> Response:
    """Return a 303 to `address`."""
    return make_response(redirect(address, 303))


def page(template: str, *, status: int = 200, **context: object) -> Response:
    """Return a page of the way in. Its address may be a secret: it goes neither into a cache nor to another site."""
    response = make_response(render_template(f"sign_in/{template}", **context), status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response

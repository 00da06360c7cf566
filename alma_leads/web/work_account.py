"""Going to the identity provider: from the sign-in page, and from the desk where someone shows again who it is.

Chromium applies `form-action` to where a form is redirected to, and a provider may send people on to servers that we do
not know. So the answer to the button is a page of our own that the browser leaves at once.
"""

from __future__ import annotations

import secrets

from flask import Response, make_response, render_template, session
from limits import parse
from werkzeug.exceptions import NotFound

from alma_leads.accounts.core.models import SessionStage
from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.accounts.sign_in.refusals import Refusal, WorkAccountRefused
from alma_leads.accounts.sso.provider import identity_provider
from alma_leads.accounts.sso.sso_service import go_to_provider
from alma_leads.web.errors.problems import problem
from alma_leads.web.sessions import auth_session
from alma_leads.web.throttle import spend_for_client

BROWSER = "sso"  # a key of the cookie: what this browser is known by until it comes back
_STARTS = parse("30 per minute")  # each costs a row, and the provider a visit

# What to do, and the status: words for the person, not for the operator.
_WORDS: dict[Refusal, tuple[int, str, str]] = {
    Refusal.PROVIDER_FAILED: (
        503,
        "Your work account does not answer.",
        "The firm’s identity provider cannot be reached, or its settings here are wrong. Try again in a minute. If it "
        "lasts, tell an administrator.",
    ),
    Refusal.NOT_STARTED_HERE: (
        400,
        "Start again.",
        "This sign-in was started in another browser, was used already, or took longer than 15 minutes.",
    ),
    Refusal.DENIED: (403, "You did not sign in.", "Your work account did not let you through, or you went back."),
    Refusal.WRONG_ANSWER: (
        403,
        "Your work account gave an answer that we cannot trust.",
        "Start again. If it happens once more, tell an administrator.",
    ),
    Refusal.UNVERIFIED_EMAIL: (
        403,
        "Your work account has no confirmed email address.",
        "Confirm your email address there, or ask whoever manages the work accounts. Then sign in again.",
    ),
    Refusal.FOREIGN_DOMAIN: (
        403,
        "This account is not one of the firm’s.",
        "Sign in with the account that has your email address at the firm.",
    ),
    Refusal.NOT_INVITED: (
        403,
        "You have no account here yet.",
        "Ask an administrator to invite you under the email address of your work account.",
    ),
    Refusal.TURNED_OFF: (403, "Your account here is turned off.", "Ask an administrator to turn it on again."),
    Refusal.ANOTHER_WORK_ACCOUNT: (
        403,
        "Somebody came in here with this email address and another work account.",
        "Use that account, or ask an administrator.",
    ),
    Refusal.ANOTHER_PERSON: (
        403,
        "This is somebody else’s work account.",
        "Nothing was changed. Use the work account that you signed in with here.",
    ),
    Refusal.ONE_FACTOR: (
        403,
        "Your work account alone is not enough.",
        "You have a second factor here. Sign out and sign in again, with both: then you can go on.",
    ),
    Refusal.NOT_SHOWN_AGAIN: (
        403,
        "Your work account did not ask again who you are.",
        "Nothing was changed. Sign out here and sign in again: then you can go on.",
    ),
}


def is_offered() -> bool:
    """Say whether people may sign in with a work account."""
    return identity_provider() is not None


def leave(*, wanted: str, confirming: bool = False) -> Response:
    """Return a page that leads to the identity provider; see `go_to_provider`."""
    provider = identity_provider()
    if provider is None:
        raise NotFound("Nobody signs in with a work account here.")
    wait = spend_for_client(_STARTS, "sso")
    if wait is not None:
        return problem(429, "Too many sign-ins were started here.", headers={"Retry-After": str(wait)})
    browser = session.setdefault(BROWSER, secrets.token_urlsafe(32))
    try:
        address = go_to_provider(provider, browser=browser, wanted=wanted, confirming=confirming)
    except WorkAccountRefused as refused:
        return refusal(refused)
    return _page("leaving.html", 200, address=address)


def refusal(refused: WorkAccountRefused) -> Response:
    """Return a page that says why someone is not let in, and what to do."""
    status, title, advice = _WORDS[refused.refusal]
    found = auth_session()
    signed_in = found is not None and found.stage is SessionStage.OPEN
    other_ways = passwords_are_on()
    return _page(
        "work_account_refused.html", status, title=title, advice=advice, signed_in=signed_in, other_ways=other_ways
    )


def _page(template: str, status: int, **context: object) -> Response:
    body = render_template(f"sign_in/{template}", **context)
    response = make_response(body, status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response

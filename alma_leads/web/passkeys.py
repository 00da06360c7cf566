"""What the pages with passkeys share: the secret that ties a challenge to a browser, and how options are handed out."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, cast

import orjson
from flask import Flask, Response, request, session
from limits import parse

from alma_leads.accounts.second_factor.relying_party import site_of
from alma_leads.common.extensions import settings
from alma_leads.web.errors.problems import problem
from alma_leads.web.throttle import client, spend

BROWSER = "passkeys"
# Each challenge is a row: a stranger shall not fill the table faster than it is emptied.
CHALLENGES = parse("30 per minute")
NO_ANSWER = "Passkeys need JavaScript in your browser. Turn it on, or use another way"


def offer_origin(app: Flask) -> None:
    """Give templates `passkey_origin()`: where passkeys work ("https://desk.firm.example"), or "" when nowhere."""

    @app.template_global()
    def passkey_origin() -> str:
        site = site_of(settings().PUBLIC_URL)
        return site.origin if site else ""


def browser_secret() -> str:
    """Return the secret of this browser's cookie. It ends with the session, and so do the challenges given to it."""
    return cast(str, session.setdefault(BROWSER, secrets.token_urlsafe(24)))


def answer() -> str:
    """Return what the browser's device has answered, as JSON; "" when no script has run."""
    return request.form.get("credential", "")


def options_response(ask: Callable[[], dict[str, Any]]) -> Response:
    """Return the options that `ask` makes, as JSON for the script; 429 when this address asks too often."""
    wait = spend(CHALLENGES, "passkey-challenge", client())
    if wait is not None:
        return problem(429, "Too many tries came from this address.", headers={"Retry-After": str(wait)})
    return Response(orjson.dumps(ask()), content_type="application/json", headers={"Cache-Control": "no-store"})

"""`/login/passkey`: signing in with a passkey instead of a password, or after it as the second step."""

from __future__ import annotations

from flask import Response, request

from alma_leads.accounts.core.models import SessionStage
from alma_leads.accounts.second_factor.passkey_sign_in_service import sign_in_options, sign_in_with_passkey
from alma_leads.accounts.second_factor.second_factor_service import own_factors
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.passkeys import NO_ANSWER, answer, browser_secret, options_response
from alma_leads.web.sessions import auth_session, client_info, session_token
from alma_leads.web.sign_in.blueprint import sign_in
from alma_leads.web.sign_in.steps import address_after, go_on, page, see_other, wanted, with_wanted

SECOND = "second"
NOT_TAKEN = "That passkey was not taken. Try again, or use another way"


@sign_in.get("/login/passkey")
@access(PUBLIC)
def passkey() -> Response:
    """Ask for a passkey; whoever is signed in goes on to the desk."""
    found = auth_session()
    if found is not None and found.stage is SessionStage.OPEN:
        return see_other(address_after(found.stage))
    return _page("", second=_half_way() is not None)


@sign_in.post("/login/passkey/options")
@access(PUBLIC)
def passkey_options() -> Response:
    """Hand out what a script passes to the browser."""
    return options_response(lambda: sign_in_options(browser=browser_secret(), second_step_of=_second_step_of()))


@sign_in.post("/login/passkey")
@access(PUBLIC)
def log_in_with_passkey() -> Response:
    """Let someone in who has shown a passkey."""
    second = request.form.get("step") == SECOND
    if second and _half_way() is None:
        return see_other(with_wanted("/login"))  # the first step was too long ago
    if not answer():
        return _page(NO_ANSWER, second=second)
    opened = sign_in_with_passkey(
        answer(),
        browser=browser_secret(),
        client=client_info(),
        instead_of=session_token(),
        second_step_of=_second_step_of(),
    )
    return go_on(opened) if opened else _page(NOT_TAKEN, second=second)


def _half_way() -> int | None:
    """Return who has shown a first proof in this browser, and has the second to show."""
    found = auth_session()
    return found.user.id if found is not None and found.stage is SessionStage.SECOND_FACTOR else None


def _second_step_of() -> int | None:
    # The sign-in page starts anew, whoever was half-way: a passkey is enough by itself.
    return _half_way() if request.form.get("step") == SECOND else None


def _page(error: str, *, second: bool) -> Response:
    half_way = _half_way() if second else None
    return page(
        "passkey.html",
        error=error,
        second=second,
        by_code=half_way is not None and own_factors(half_way)[0].app,
        next=wanted(),
        with_wanted=with_wanted,
        status=422 if error else 200,
    )

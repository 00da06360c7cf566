"""The pages on which people set up, change and remove their authenticator app, and get recovery codes."""

from __future__ import annotations

import io

import segno
from flask import Response, make_response, redirect, render_template, request, session

from alma_leads.accounts.core.errors import NoSecondFactor, SecondFactorRequired, SessionExpired
from alma_leads.accounts.core.models import SessionStage
from alma_leads.accounts.core.permissions import Permission
from alma_leads.accounts.second_factor.authenticators import AppSetup
from alma_leads.accounts.second_factor.second_factor_service import (
    begin_app,
    confirm_app,
    find_app_setup,
    own_factors,
    remove_app,
    replace_recovery_codes,
)
from alma_leads.common.extensions import settings
from alma_leads.jobs.tasks import wake
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.errors.problems import problem
from alma_leads.web.internal.account.account import account_page, back_to_account
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.sessions import auth_session, begin_browser_session, client_info, reader, session_token

# Which app this browser sets up. The secret is shown to no other browser of the same person: a thief of the password
# must not read along.
APP = "app"
LAST_ONE = "The firm requires a second factor, so your last one stays. Change the app instead, or add a passkey first"
PAGE = "/internal/account/second-factor"


@internal.get("/account/second-factor")
@access(needs(Permission.SET_UP_SECOND_FACTOR, fresh=True))
def second_factor() -> Response:
    """Offer to set up an app, or show what it needs and ask for its first code."""
    return _page({})


@internal.get("/account/second-factor/qr.svg")
@access(needs(Permission.SET_UP_SECOND_FACTOR, fresh=True))
def second_factor_qr() -> Response:
    """Draw the QR code of the app that is being set up."""
    found = _under_way()
    if found is None:
        return problem(404)
    picture = io.BytesIO()
    # Light and dark are said, since a camera wants black on white in a dark theme too.
    segno.make(found.uri, error="m").save(picture, kind="svg", scale=4, border=4, dark="#000", light="#fff")
    response = make_response(picture.getvalue())
    response.content_type = "image/svg+xml"
    response.headers["Cache-Control"] = "no-store"
    return response


@internal.post("/account/second-factor/app")
@access(needs(Permission.SET_UP_SECOND_FACTOR, fresh=True))
def begin_second_factor() -> Response:
    """Begin to set up an app, with a secret of its own."""
    session[APP] = begin_app(actor())
    return make_response(redirect(PAGE, 303))


@internal.post("/account/second-factor")
@access(needs(Permission.SET_UP_SECOND_FACTOR, fresh=True))
def confirm_second_factor() -> Response:
    """Use the app from now on, if it shows the right code."""
    enrolling = is_enrolling()
    if _under_way() is None:
        return make_response(redirect(PAGE, 303))
    code = request.form.get("code", "")[:100]
    try:
        added = confirm_app(session[APP], code, actor=actor(), token=session_token(), client=client_info())
    except SessionExpired:
        return make_response(redirect("/login", 303))
    if added is None:
        return _page({"code": "The code is wrong, or it is too old. Enter the one that the app shows now"})
    begin_browser_session(added.opened)
    if added.codes:
        return codes_page(added.codes, enrolling=enrolling)
    return back_to_account("app")


@internal.post("/account/second-factor/app/remove")
@access(needs(Permission.OWN_ACCOUNT, fresh=True))
def remove_second_factor() -> Response:
    """Stop using the app."""
    try:
        remove_app(actor(), keep_session=session_token())
    except NoSecondFactor:
        pass
    except SecondFactorRequired:
        return account_page({"": LAST_ONE}, status=409)
    return back_to_account("app-removed")


@internal.post("/account/recovery-codes")
@access(needs(Permission.OWN_ACCOUNT, fresh=True))
def new_recovery_codes() -> Response:
    """Make the recovery codes anew, and show them this once."""
    try:
        return codes_page(replace_recovery_codes(actor()), enrolling=False)
    except NoSecondFactor:
        return back_to_account("")


def codes_page(codes: list[str], *, enrolling: bool) -> Response:
    """Return the page that shows new recovery codes, once: it answers the POST that made them.

    `enrolling`: whoever reads it has just come in, and goes on to the desk. The person is told by e-mail too.
    """
    wake()
    onward = "/internal/leads" if enrolling else "/internal/account"
    response = make_response(render_template("internal/recovery_codes.html", codes=codes, onward=onward))
    response.headers["Cache-Control"] = "no-store"
    return response


def _under_way() -> AppSetup | None:
    setup_id, user = session.get(APP), reader()
    return find_app_setup(setup_id, user_id=user.id, email=user.email) if isinstance(setup_id, str) else None


def is_enrolling() -> bool:
    """Say whether whoever makes this request has to set up a second factor to come in."""
    found = auth_session()
    return found is not None and found.stage is SessionStage.ENROLMENT


def _page(errors: dict[str, str]) -> Response:
    factors, required = own_factors(reader().id)
    body = render_template(
        "internal/second_factor.html",
        errors=errors,
        app=_under_way(),
        factors=factors,
        required=required,
        enrolling=is_enrolling(),
        issuer=settings().AUTHENTICATOR_ISSUER,
    )
    response = make_response(body, 422 if errors else 200)
    response.headers["Cache-Control"] = "no-store"
    return response

"""`/login/sso`: signing in with the firm's work account, at its identity provider."""

from __future__ import annotations

from flask import Response, request, session
from werkzeug.exceptions import NotFound

from alma_leads.accounts.sign_in.refusals import WorkAccountRefused
from alma_leads.accounts.sso.provider import CALLBACK, identity_provider
from alma_leads.accounts.sso.sso_service import callback
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.sessions import client_info, session_token
from alma_leads.web.sign_in.blueprint import sign_in
from alma_leads.web.sign_in.steps import go_on, wanted
from alma_leads.web.work_account import BROWSER, leave, refusal


@sign_in.post("/login/sso")
@access(PUBLIC)
def go_to_work_account() -> Response:
    """Lead to the identity provider."""
    return leave(wanted=wanted())


@sign_in.get(CALLBACK)
@access(PUBLIC)
def come_back_from_work_account() -> Response:
    """Let in whoever comes back from the identity provider."""
    provider = identity_provider()
    if provider is None:
        raise NotFound("Nobody signs in with a work account here.")
    browser = str(session.get(BROWSER, ""))
    try:
        back = callback(provider, request.args, browser=browser, client=client_info(), token=session_token())
    except WorkAccountRefused as refused:
        return refusal(refused)
    return go_on(back.opened, asked=back.wanted)

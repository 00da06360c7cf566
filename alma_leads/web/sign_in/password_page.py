"""`/login` and `/logout`: the first step of signing in, and the way out."""

from __future__ import annotations

from flask import Response, request

from alma_leads.accounts.core.models import SessionStage
from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.accounts.core.permissions import Permission
from alma_leads.accounts.core.session_service import sign_out
from alma_leads.accounts.sign_in.sign_in_service import sign_in_with_password
from alma_leads.common.email_address import MAX_LENGTH
from alma_leads.web.auth import PUBLIC, access, actor, needs
from alma_leads.web.sessions import auth_session, client_info, forget_browser, session_token
from alma_leads.web.sign_in.blueprint import sign_in
from alma_leads.web.sign_in.steps import address_after, go_on, page, see_other, wanted
from alma_leads.web.work_account import is_offered


@sign_in.get("/login")
@access(PUBLIC)
def login() -> Response:
    """Ask who it is; whoever is signed in goes on to the desk."""
    found = auth_session()
    if found is not None and found.stage is SessionStage.OPEN:
        return see_other(address_after(found.stage))
    return _page(email="", wrong=False)


@sign_in.post("/login")
@access(PUBLIC)
def log_in() -> Response:
    """Let someone in who knows the password, or lead to the next step."""
    email = request.form.get("email", "").strip()[:MAX_LENGTH]
    opened = sign_in_with_password(
        email, request.form.get("password", ""), client=client_info(), instead_of=session_token()
    )
    if opened is None:
        return _page(email=email, wrong=True)
    return go_on(opened)


@sign_in.post("/logout")
@access(needs(Permission.SET_UP_SECOND_FACTOR))
def log_out() -> Response:
    """Sign this browser out."""
    sign_out(session_token(), actor=actor())
    return forget_browser(see_other("/login"))


def _page(*, email: str, wrong: bool) -> Response:
    ways = {"passwords": passwords_are_on(), "work_accounts": is_offered()}
    return page("password.html", email=email, wrong=wrong, next=wanted(), **ways, status=422 if wrong else 200)

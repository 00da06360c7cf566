"""`/login/forgotten`: asking for a link to choose a new password. Says the same whether there is an account or not."""

from __future__ import annotations

from flask import Response, request
from werkzeug.exceptions import NotFound

from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.accounts.sign_in.reset_service import request_reset
from alma_leads.common.email_address import MAX_LENGTH, BadEmailAddress
from alma_leads.common.extensions import settings
from alma_leads.jobs.tasks import wake
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.sign_in.blueprint import sign_in
from alma_leads.web.sign_in.steps import page, see_other

PATH = "/login/forgotten"


@sign_in.get(PATH)
@access(PUBLIC)
def forgotten() -> Response:
    """Ask for the email address; afterwards, say what comes next."""
    return _page(sent="sent" in request.args)


@sign_in.post(PATH)
@access(PUBLIC)
def ask() -> Response:
    """Send the link, if there is an account."""
    if not (passwords_are_on() and settings().SMTP_HOST):
        return _page()
    email = request.form.get("email", "").strip()[: MAX_LENGTH + 1]
    try:
        request_reset(email, address=request.remote_addr or "")
    except BadEmailAddress:
        return _page(email=email, errors={"email": "Enter an email address like name@example.com"}, status=422)
    wake()
    return see_other(f"{PATH}?sent")


def _page(*, sent: bool = False, email: str = "", errors: dict[str, str] | None = None, status: int = 200) -> Response:
    if not passwords_are_on():
        raise NotFound("Nobody signs in with a password here.")
    mail_off = not settings().SMTP_HOST
    return page("forgotten.html", sent=sent, email=email, errors=errors or {}, mail_off=mail_off, status=status)

"""One's own name and email address, on the account page."""

from __future__ import annotations

from flask import Response, make_response, render_template, request

from alma_leads.accounts.core.errors import BadName, UserExists
from alma_leads.accounts.core.permissions import Permission
from alma_leads.accounts.users.profile_service import change_name, request_email_change
from alma_leads.common.email_address import BadEmailAddress
from alma_leads.jobs.tasks import wake
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.internal.account.account import account_page, back_to_account
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.responses import private


@internal.post("/account/name")
@access(needs(Permission.OWN_ACCOUNT))
def save_name() -> Response:
    """Change the reader's name."""
    try:
        change_name(actor(), request.form.get("name", ""))
    except BadName:
        return account_page({"name": "Enter your name"}, status=422)
    return back_to_account("name")


@internal.get("/account/email")
@access(needs(Permission.OWN_ACCOUNT, fresh=True))
def another_email() -> Response:
    """Ask for the new address."""
    return _email_page("", {})


@internal.post("/account/email")
@access(needs(Permission.OWN_ACCOUNT, fresh=True))
def ask_to_change_email() -> Response:
    """Send a link to the new address."""
    email = request.form.get("email", "").strip()
    try:
        request_email_change(actor(), email)
    except BadEmailAddress:
        return _email_page(email, {"email": "Enter an email address like name@example.com"})
    except UserExists as exists:
        return _email_page(email, {"email": str(exists)})
    wake()
    return back_to_account("email")


def _email_page(email: str, errors: dict[str, str]) -> Response:
    page = render_template(
        "internal/settings/email.html", section="settings", tab="account", email=email, errors=errors
    )
    return private(make_response(page, 422 if errors else 200))

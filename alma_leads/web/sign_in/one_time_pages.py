"""Pages behind one-time links: the first administrator's set-up, and choosing a password. Only their POST acts."""

from __future__ import annotations

from flask import Response, request

from alma_leads.accounts.core.errors import LinkExpired, UserExists, WeakPassword
from alma_leads.accounts.core.models import LinkPurpose
from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.users import MAX_NAME_LENGTH
from alma_leads.accounts.sign_in.password_service import choose_password, get_link
from alma_leads.accounts.sign_in.sign_in_service import open_session
from alma_leads.accounts.users.setup_service import check_setup_link, set_up
from alma_leads.common.email_address import BadEmailAddress
from alma_leads.jobs.tasks import wake
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.sessions import client_info, session_token
from alma_leads.web.sign_in.blueprint import sign_in
from alma_leads.web.sign_in.steps import go_on, page, see_other


@sign_in.get("/setup/<token>")
@access(PUBLIC)
def setup(token: str) -> Response:
    """Ask for the first administrator's name, address and password."""
    try:
        check_setup_link(token)
    except LinkExpired:
        return _gone(LinkPurpose.SETUP)
    return page("setup.html", values={}, errors={}, passwords=passwords_are_on())


@sign_in.post("/setup/<token>")
@access(PUBLIC)
def make_first_administrator(token: str) -> Response:
    """Make the account, and sign in."""
    values = {field: request.form.get(field, "").strip() for field in ("name", "email")}
    password = request.form.get("password", "") if passwords_are_on() else None
    errors: dict[str, str] = {}
    if not values["name"].isprintable() or not 0 < len(values["name"]) <= MAX_NAME_LENGTH:
        errors["name"] = "Enter your name"
    try:
        if not errors:
            address = request.remote_addr or ""
            user_id = set_up(token, name=values["name"], email=values["email"], password=password, address=address)
            if password is None:
                return page("password_off.html", email=values["email"])
            return _signed_in(user_id, Proof.PASSWORD)
    except BadEmailAddress:
        errors["email"] = "Enter an email address like name@example.com"
    except UserExists as exists:
        errors["email"] = str(exists)
    except WeakPassword as weak:
        errors["password"] = str(weak)
    except LinkExpired:
        return _gone(LinkPurpose.SETUP)
    return page("setup.html", values=values, errors=errors, passwords=passwords_are_on(), status=422)


@sign_in.get("/invitation/<token>", defaults={"purpose": LinkPurpose.INVITATION})
@sign_in.get("/reset/<token>", defaults={"purpose": LinkPurpose.RESET})
@access(PUBLIC)
def set_password(purpose: LinkPurpose, token: str) -> Response:
    """Ask for a password."""
    try:
        link = get_link(token, purpose)
    except LinkExpired:
        return _gone(purpose)
    if not passwords_are_on():
        return page("password_off.html", email=link.email)
    return page("set_password.html", email=link.email, errors={})


@sign_in.post("/invitation/<token>", defaults={"purpose": LinkPurpose.INVITATION})
@sign_in.post("/reset/<token>", defaults={"purpose": LinkPurpose.RESET})
@access(PUBLIC)
def save_password(purpose: LinkPurpose, token: str) -> Response:
    """Keep the password, and sign in: where there is a second factor, the next step asks for it."""
    try:
        link = get_link(token, purpose)
        password, address = request.form.get("password", ""), request.remote_addr or ""
        user_id = choose_password(token, purpose, password=password, address=address)
        wake()
        return _signed_in(user_id, Proof.LINK)
    except LinkExpired:
        return _gone(purpose)
    except WeakPassword as weak:
        return page("set_password.html", email=link.email, errors={"password": str(weak)}, status=422)


def _signed_in(user_id: int, proof: Proof) -> Response:
    opened = open_session(user_id, [proof], client=client_info(), instead_of=session_token())
    return see_other("/login") if opened is None else go_on(opened)


def _gone(purpose: LinkPurpose) -> Response:
    by_oneself = purpose is LinkPurpose.RESET and passwords_are_on()
    return page("link_gone.html", purpose=purpose.value, by_oneself=by_oneself, status=410)

"""Pages behind one-time links: the first administrator's set-up, and choosing a password. Only their POST acts."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request
from flask_security import login_user
from sqlalchemy import select

from alma_leads.accounts.errors import LinkGone, PersonExists, WeakPassword
from alma_leads.accounts.models import LinkPurpose, User
from alma_leads.accounts.service import choose_password, look_at_link, set_up
from alma_leads.email_address import BadEmailAddress
from alma_leads.extensions import db
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.public.blueprint import public

MAX_NAME_LENGTH = 200


@public.get("/setup/<token>")
@access(PUBLIC)
def setup(token: str) -> Response:
    """Ask for the first administrator's name, address and password."""
    try:
        look_at_link(token, LinkPurpose.SETUP)
    except LinkGone:
        return _gone()
    return _page("security/setup.html", values={}, errors={})


@public.post("/setup/<token>")
@access(PUBLIC)
def make_first_administrator(token: str) -> Response:
    """Make the account, and sign in."""
    values = {field: request.form.get(field, "").strip() for field in ("name", "email")}
    password = request.form.get("password", "")
    errors: dict[str, str] = {}
    if not values["name"].isprintable() or not 0 < len(values["name"]) <= MAX_NAME_LENGTH:
        errors["name"] = "Enter your name"
    try:
        if not errors:
            return _signed_in(set_up(token, name=values["name"], email=values["email"], password=password))
    except BadEmailAddress:
        errors["email"] = "Enter an email address like name@example.com"
    except PersonExists as exists:
        errors["email"] = str(exists)
    except WeakPassword as weak:
        errors["password"] = str(weak)
    except LinkGone:
        return _gone()
    return _page("security/setup.html", values=values, errors=errors, status=422)


@public.get("/set-password/<token>")
@access(PUBLIC)
def set_password(token: str) -> Response:
    """Ask for a password."""
    try:
        link = look_at_link(token, LinkPurpose.SET_PASSWORD)
    except LinkGone:
        return _gone()
    return _page("security/set_password.html", email=link.email, errors={})


@public.post("/set-password/<token>")
@access(PUBLIC)
def save_password(token: str) -> Response:
    """Keep the password, and sign in."""
    try:
        link = look_at_link(token, LinkPurpose.SET_PASSWORD)
        return _signed_in(choose_password(token, password=request.form.get("password", "")))
    except LinkGone:
        return _gone()
    except WeakPassword as weak:
        return _page("security/set_password.html", email=link.email, errors={"password": str(weak)}, status=422)


def _signed_in(user_id: int) -> Response:
    user = db.session.scalar(select(User).where(User.id == user_id))
    if user is None or not user.active:
        return make_response(redirect("/login", 303))
    login_user(user)
    return make_response(redirect("/internal/leads", 303))


def _gone() -> Response:
    return _page("security/link_gone.html", status=410)


def _page(template: str, *, status: int = 200, **context: object) -> Response:
    response = make_response(render_template(template, **context), status)
    # The address is a secret: it goes neither into a cache nor to another site.
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response

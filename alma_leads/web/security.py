"""Signing in: Flask-Security at `/login`, with sessions that are rows, and attempts that are counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from flask import Flask, Response, g, render_template, request, session
from flask_login import user_logged_in, user_logged_out
from flask_principal import Principal
from flask_security import LoginForm, RoleMixin, SQLAlchemyUserDatastore
from flask_security.utils import set_request_attr
from sqlalchemy import select
from werkzeug.exceptions import BadRequest
from wtforms import Field, StringField

from alma_leads.accounts.models import User
from alma_leads.accounts.passwords import NORMAL_FORM
from alma_leads.accounts.session_service import (
    begin_sign_in,
    end_session,
    finish_sign_in,
    open_session,
    use_session,
)
from alma_leads.email_address import MAX_LENGTH, BadEmailAddress, normalise_email
from alma_leads.extensions import db, security
from alma_leads.web.problems import problem

SESSION_TOKEN = "sid"  # noqa: S105 -- a key of the cookie, not a secret
SETTINGS: dict[str, Any] = {
    "SECURITY_PASSWORD_HASH": "argon2",
    "SECURITY_PASSWORD_SCHEMES": ["argon2"],
    "SECURITY_DEPRECATED_PASSWORD_SCHEMES": [],
    # argon2 salts by itself: no second hash with a salt of ours before it.
    "SECURITY_PASSWORD_SINGLE_HASH": True,
    "SECURITY_PASSWORD_NORMALIZE_FORM": NORMAL_FORM,
    "SECURITY_RETURN_GENERIC_RESPONSES": True,
    "SECURITY_REGISTERABLE": False,
    "SECURITY_RECOVERABLE": False,
    "SECURITY_CHANGEABLE": False,
    "SECURITY_FRESHNESS": timedelta(minutes=-1),  # nothing here asks for a password again through Flask-Security
    "SECURITY_STATIC_FOLDER": None,
    "SECURITY_TRACKABLE": False,
    "SECURITY_SEND_REGISTER_EMAIL": False,
    "SECURITY_LOGOUT_METHODS": ["POST"],
    "SECURITY_POST_LOGIN_VIEW": "/internal/leads",
    "SECURITY_POST_LOGOUT_VIEW": "/login",
    "SECURITY_FLASH_MESSAGES": False,
    "SECURITY_DEFAULT_REMEMBER_ME": False,
    "SECURITY_CSRF_IGNORE_UNAUTH_ENDPOINTS": False,
    "SECURITY_CLI_USERS_NAME": None,  # `flask people` knows our rules
    "SECURITY_CLI_ROLES_NAME": None,
}
WRONG = "The email address or the password is wrong"


class _Role(RoleMixin):
    """Flask-Security asks for a table of roles. Ours is a column: see `accounts.permissions`."""


class SignInForm(LoginForm):
    """The sign-in form. Every attempt is counted before its password is looked at."""

    # Flask-Security's own field knows other addresses than we do, and would not find "Rosa@alma.example".
    email = StringField()
    remember = None  # sessions end: no cookie outlives them

    def validate_next(self, field: Field) -> None:
        """Let a person in whose link leads elsewhere: the redirect, which looks at it too, then leads to the desk."""

    def validate(self, **kwargs: Any) -> bool:
        """Say whether this is the right password.

        Raises:
            TooManyAttempts: this account or this address has to wait.
        """
        typed = _typed(self.email.data)
        if not isinstance(self.password.data, str | None):
            raise BadRequest("Send the password as a string.")
        # JSON can carry half of a surrogate pair, which no hash takes.
        self.password.data = (self.password.data or "").encode("utf-8", "replace").decode()
        attempt = begin_sign_in(typed, address=request.remote_addr or "")
        self.ifield = self.email
        self.user = _find(typed)
        if not super().validate(**kwargs):
            return False
        finish_sign_in(attempt, typed)
        return True


def init_app(app: Flask) -> None:
    """Let people sign in to `app`."""
    app.config.from_mapping(SETTINGS | {name: app.config[name] for name in SETTINGS if name in app.config})
    app.config["SECURITY_USER_IDENTITY_ATTRIBUTES"] = [{"email": {"mapper": _identity, "case_insensitive": False}}]
    datastore = SQLAlchemyUserDatastore(db, User, _Role)
    security.init_app(app, datastore, login_form=SignInForm, render_template=_render)
    security.render_json(_render_json)
    app.before_request_funcs.setdefault("security", []).append(_refuse_other_json)
    app.login_manager.session_protection = None  # type: ignore[attr-defined]  # people change networks
    app.login_manager.user_loader(_load)  # type: ignore[attr-defined]
    # Flask-Security would look for tokens in each request's body, and load a person for each request, asked or not.
    app.login_manager.request_loader(None)  # type: ignore[attr-defined]
    app.before_request_funcs[None] = [
        hook for hook in app.before_request_funcs[None] if not isinstance(getattr(hook, "__self__", None), Principal)
    ]
    user_logged_in.connect(_on_sign_in, app)
    user_logged_out.connect(_on_sign_out, app)
    app.after_request(_see_other)


def session_token() -> str:
    """Return the token of the session that this request belongs to."""
    return str(session.get(SESSION_TOKEN, ""))


def rotate_session(user: User) -> None:
    """Give this browser another session: after its owner proved who he is again."""
    _on_sign_in(None, user)


def _refuse_other_json() -> None:
    if request.method == "POST" and request.is_json and not isinstance(request.get_json(), dict):
        raise BadRequest("Send a JSON object with email and password.")


def _typed(data: object) -> str:
    return data.strip()[:MAX_LENGTH] if isinstance(data, str) else ""


def _find(typed: str) -> User | None:
    normalised = _identity(typed)
    return db.session.scalar(select(User).where(User.email == normalised)) if normalised else None


def _identity(text: str) -> str | None:
    try:
        return normalise_email(text)
    except BadEmailAddress:
        return None


def _load(uniquifier: str) -> User | None:
    token = session_token()
    user = use_session(token) if token else None
    if user is None or user.fs_uniquifier != uniquifier:
        return None
    set_request_attr("fs_authn_via", "session")
    set_request_attr("fs_paa", session.get("fs_paa", 0))
    return user


def _on_sign_in(_sender: object, user: User, **_more: object) -> None:
    # A new token and a new CSRF token: whatever someone planted in this browser before is worth nothing now.
    before = session_token()
    kept = {name: session[name] for name in ("_user_id", "_fresh") if name in session}
    session.clear()
    session.update(kept)
    g.pop("csrf_token", None)
    session[SESSION_TOKEN] = open_session(
        user.id,
        instead_of=before,
        address=request.remote_addr or "",
        user_agent=request.headers.get("User-Agent", ""),
    )


def _on_sign_out(_sender: object, user: User | None = None, **_more: object) -> None:  # noqa: ARG001
    token = str(session.pop(SESSION_TOKEN, ""))
    if token:
        end_session(token)
    session.clear()


def _see_other(response: Response) -> Response:
    """Answer a form with 303, as everywhere else; Flask-Security says 302."""
    if response.status_code == 302 and request.method == "POST":
        response.status_code = 303
    return response


def _render(template: str, **context: Any) -> tuple[str, int]:
    """Answer a sign-in that failed with 422, as every other form; Flask-Security says 200."""
    form = context.get("login_user_form")
    return render_template(template, **context), 422 if form is not None and form.errors else 200


def _render_json(payload: dict[str, Any], code: int, headers: dict[str, str] | None, _user: object) -> Response:
    """Answer a script that signs in. Whatever was wrong, the words are the same."""
    if code >= 400:
        return problem(422, WRONG, errors=[{"field": "email", "message": WRONG}])
    return Response(orjson.dumps(payload), code, headers, content_type="application/json")

"""Signing in: Flask-Security at `/login`, with sessions that are rows, and attempts that are counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, Response, request, session
from flask_login import user_logged_in, user_logged_out
from flask_principal import Principal
from flask_security import LoginForm, RoleMixin, SQLAlchemyUserDatastore
from flask_security.utils import set_request_attr
from sqlalchemy import select

from alma_leads.accounts.models import User
from alma_leads.accounts.session_service import (
    begin_sign_in,
    end_session,
    finish_sign_in,
    open_session,
    use_session,
)
from alma_leads.email_address import BadEmailAddress, normalise_email
from alma_leads.extensions import db, security

SESSION_TOKEN = "sid"  # noqa: S105 -- a key of the cookie, not a secret
SETTINGS: dict[str, Any] = {
    "SECURITY_PASSWORD_HASH": "argon2",
    "SECURITY_PASSWORD_SCHEMES": ["argon2"],
    "SECURITY_DEPRECATED_PASSWORD_SCHEMES": [],
    # argon2 salts by itself: no second hash with a salt of ours before it.
    "SECURITY_PASSWORD_SINGLE_HASH": True,
    "SECURITY_PASSWORD_LENGTH_MIN": 12,
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
}


class _Role(RoleMixin):
    """Flask-Security asks for a table of roles. Ours is a column: see `accounts.permissions`."""


class SignInForm(LoginForm):
    """The sign-in form. Every attempt is counted before its password is looked at."""

    def validate(self, **kwargs: Any) -> bool:
        """Say whether this is the right password.

        Raises:
            TooManyAttempts: this account or this address has to wait.
        """
        typed = str(self.email.data or "")[:254]
        attempt = begin_sign_in(typed, address=request.remote_addr or "")
        if not super().validate(**kwargs):
            return False
        finish_sign_in(attempt, typed)
        return True


def init_app(app: Flask) -> None:
    """Let people sign in to `app`."""
    app.config.from_mapping(SETTINGS | {name: app.config[name] for name in SETTINGS if name in app.config})
    app.config["SECURITY_USER_IDENTITY_ATTRIBUTES"] = [{"email": {"mapper": _identity, "case_insensitive": False}}]
    datastore = SQLAlchemyUserDatastore(db, User, _Role)
    security.init_app(app, datastore, login_form=SignInForm)
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
    end_session(session_token())
    _on_sign_in(None, user)


def _identity(text: str) -> str | None:
    try:
        return normalise_email(text)
    except BadEmailAddress:
        return None


def _load(uniquifier: str) -> User | None:
    token = session_token()
    found = use_session(token) if token else None
    if found is None:
        return None
    user = db.session.scalar(select(User).where(User.id == found.user_id))
    if user is None or user.fs_uniquifier != uniquifier:
        return None
    set_request_attr("fs_authn_via", "session")
    set_request_attr("fs_paa", session.get("fs_paa", 0))
    return user


def _on_sign_in(_sender: object, user: User, **_more: object) -> None:
    # A new token and a new CSRF token: whatever someone planted in this browser before is worth nothing now.
    session.pop("csrf_token", None)
    session[SESSION_TOKEN] = open_session(
        user.id, address=request.remote_addr or "", user_agent=request.headers.get("User-Agent", "")
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

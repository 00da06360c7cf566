"""The browser's session: its signed cookie holds a random token, the table `user_sessions` the rest.

Who reads a page is asked here. What that person may do is said in `auth`.
"""

from __future__ import annotations

from typing import cast

from flask import Response, after_this_request, current_app, g, request, session

from alma_leads.accounts.core.models import SessionStage, User
from alma_leads.accounts.core.session_service import use_session
from alma_leads.accounts.core.sessions import AuthSession, ClientInfo
from alma_leads.accounts.sign_in import devices
from alma_leads.accounts.sign_in.sign_in_service import Opened
from alma_leads.accounts.sign_in.throttle import account_key
from alma_leads.database.base import utc_now

SESSION_TOKEN = "sid"  # noqa: S105 -- a key of the cookie, not a secret


def session_token() -> str:
    """Return the token of the session that this request belongs to, or ""."""
    return str(session.get(SESSION_TOKEN, ""))


def client_info() -> ClientInfo:
    """Return the browser that makes this request."""
    return ClientInfo(
        request.remote_addr or "", request.headers.get("User-Agent", ""), request.cookies.get(_device_cookie()[0], "")
    )


def _device_cookie() -> tuple[str, bool]:
    """Return the name of the device cookie, and whether it goes over HTTPS only."""
    secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
    return "__Host-device" if secure else "device", secure


def _remember_device(response: Response) -> Response:
    """Give this browser a device cookie for whoever has just signed in: see `accounts.devices`."""
    found = auth_session()
    if found is not None:
        name, secure = _device_cookie()
        account = account_key(found.user.email)
        value = devices.remember(request.cookies.get(name, ""), account, now=utc_now())
        response.set_cookie(
            name, value, max_age=devices.LIFETIME, secure=secure, httponly=True, samesite="Lax", path="/"
        )
    return response


def auth_session() -> AuthSession | None:
    """Return whose session this request belongs to, open or half-open, or None. Asks the database once a request."""
    if "auth_session" not in g:
        token = session_token()
        g.auth_session = use_session(token, touch=not g.get("quiet", False)) if token else None
    return cast("AuthSession | None", g.auth_session)


def reader() -> User:
    """Return who reads this page. Only for routes that need a permission and make pages: a key has no reader."""
    found = auth_session()
    assert found is not None
    return found.user


def begin_browser_session(opened: Opened) -> None:
    """Keep the token of a session that has begun in this browser's cookie.

    All else in the cookie goes, the CSRF token too: whatever someone planted in this browser is worth nothing now.
    """
    session.clear()
    g.pop("csrf_token", None)
    g.pop("auth_session", None)
    session[SESSION_TOKEN] = opened.token
    if opened.stage is SessionStage.OPEN:
        after_this_request(_remember_device)


def forget_browser(response: Response) -> Response:
    """Forget the session in this browser's cookie, and make the browser forget what it was shown and has kept.

    The session's row is ended by a use case. Other cookies stay: the theme, and that this browser is known.
    """
    session.clear()
    g.pop("csrf_token", None)
    g.auth_session = None
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response

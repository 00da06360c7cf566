"""Who may call what. Every route declares it with `access`; what is not declared is refused.

A request with an `X-API-Key` is judged by its key alone; otherwise by its session. A session never authorises an
unsafe request without a CSRF token; a key needs none, since no browser sends one by itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import structlog
from flask import Flask, Response, current_app, g, redirect, request, url_for
from flask_security import current_user

from alma_leads.accounts.permissions import ROLE_PERMISSIONS, STATIC_KEY_PERMISSIONS, Permission
from alma_leads.actor import Actor
from alma_leads.extensions import csrf, settings
from alma_leads.web.negotiation import wants_html
from alma_leads.web.problems import problem
from alma_leads.web.throttle import WRONG_KEYS, client, spend

log = structlog.get_logger(__name__)
View = TypeVar("View", bound=Callable[..., Any])
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Access:
    """What a route demands: a permission, or none when it is public.

    `csrf` is False only where no session has a say (the public API), or where the view checks the token itself.
    """

    permission: Permission | None
    csrf: bool = True


PUBLIC = Access(None)
PUBLIC_API = Access(None, csrf=False)

# Routes that libraries register, by endpoint.
LIBRARY_ROUTES: dict[str, Access] = {
    "static": PUBLIC,
    "security.login": PUBLIC,
    "security.logout": Access(Permission.OWN_ACCOUNT),
}


def needs(permission: Permission) -> Access:
    """Return the access rule "needs `permission`"."""
    return Access(permission)


def access(rule: Access) -> Callable[[View], View]:
    """Declare what a view demands."""

    def declare(view: View) -> View:
        view.access = rule  # type: ignore[attr-defined]
        return view

    return declare


def access_of(endpoint: str) -> Access | None:
    """Return what the route named `endpoint` declares, or None when it declares nothing."""
    declared = getattr(current_app.view_functions[endpoint], "access", None)
    return declared or LIBRARY_ROUTES.get(endpoint)


def actor() -> Actor:
    """Return who makes this request. Only for routes that need a permission."""
    return cast(Actor, g.actor)


def may(permission: Permission) -> bool:
    """Say whether whoever makes this request has `permission`."""
    return permission in getattr(g, "permissions", frozenset())


def protect(app: Flask) -> None:
    """Make `app` refuse every request that its route does not allow."""
    app.before_request(_authorise)


def _authorise() -> Response | None:
    if request.endpoint is None:
        return None  # no such route: the 404 or 405 follows
    rule = access_of(request.endpoint)
    if rule is None:
        log.error("route without access declaration", endpoint=request.endpoint)
        return problem(403)
    if rule.permission is not None:
        refused = _identify()
        if refused is not None:
            return refused
        if rule.permission not in g.permissions:
            return problem(403, "You are signed in, but your role does not allow this. Ask an administrator.")
    if rule.csrf and request.method not in SAFE_METHODS and not getattr(g, "by_key", False):
        csrf.protect()
    return None


def _identify() -> Response | None:
    """Find out who asks: sets `g.actor` and `g.permissions`, or returns the refusal."""
    key = request.headers.get("X-API-Key")
    address = request.remote_addr or ""
    if key is not None:
        if not _is_static_key(key):
            wait = spend(WRONG_KEYS, "wrong-key", client())
            if wait is not None:
                return problem(429, "Too many wrong keys came from this address.", headers={"Retry-After": str(wait)})
            return _unauthenticated()
        g.by_key = True
        g.actor = Actor("key", None, "INTERNAL_API_KEY", address)
        g.permissions = STATIC_KEY_PERMISSIONS
        return None
    if current_user.is_authenticated:
        g.actor = Actor("user", current_user.id, current_user.name, address)
        g.permissions = ROLE_PERMISSIONS[current_user.role]
        return None
    return _unauthenticated()


def _is_static_key(key: str) -> bool:
    expected = settings().INTERNAL_API_KEY.get_secret_value()
    return hmac.compare_digest(key.encode("utf-8", "surrogateescape"), expected.encode())


def _unauthenticated() -> Response:
    if wants_html():
        back = request.full_path.rstrip("?") if request.method in SAFE_METHODS else url_for("internal.leads")
        address = url_for("security.login", next=back)
        if "HX-Request" in request.headers:  # a script would put the sign-in page into a part of its own page
            return Response(status=401, headers={"HX-Redirect": address})
        return cast(Response, redirect(address, 303))
    return problem(
        401,
        "Send a key in X-API-Key, or sign in.",
        headers={"WWW-Authenticate": 'ApiKey realm="internal", header="X-API-Key"'},
    )

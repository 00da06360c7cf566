"""Who may call what. Every route declares it with `access`; what is not declared is refused.

A request with an `X-API-Key` is judged by its key alone; otherwise by its session. A session never authorises an
unsafe request without a CSRF token; a key needs none, since no browser sends one by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

import structlog
from flask import Flask, Response, current_app, g, redirect, request
from flask_wtf.csrf import CSRFError

from alma_leads.accounts.api_keys.key_refusal_service import record_refused_key
from alma_leads.accounts.api_keys.key_service import use_key
from alma_leads.accounts.core.access_refusal_service import Why
from alma_leads.accounts.core.errors import KeyNotAllowedFromAddress
from alma_leads.accounts.core.models import SessionStage
from alma_leads.accounts.core.permissions import ENROLMENT_PERMISSIONS, ROLE_PERMISSIONS, Permission
from alma_leads.accounts.core.sessions import AuthSession
from alma_leads.common.actor import PROSPECT, Actor
from alma_leads.common.extensions import csrf
from alma_leads.database.base import utc_now
from alma_leads.web.back import back, is_inside
from alma_leads.web.errors.negotiation import vary_on_accept, wants_html
from alma_leads.web.errors.problems import problem
from alma_leads.web.errors.refusals import note_refusal
from alma_leads.web.requests.bodies import bound_body
from alma_leads.web.sessions import auth_session
from alma_leads.web.throttle import WRONG_KEYS, spend_for_client

log = structlog.get_logger(__name__)
View = TypeVar("View", bound=Callable[..., Any])
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# After this long whoever changes how someone comes in shows again who it is (OWASP ASVS 5.0, 7.5.1).
FRESH_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Access:
    """What a route demands: a permission, or none when it is public.

    `csrf` is False only where no session has a say (the public API), or where the view checks the token itself.
    `key_permission` is what a key needs on a route that is public for everyone without one.
    `fresh` asks whoever signed in long ago to show again who it is. `quiet` requests are sent by a page that lies open,
    not by a person: they do not keep a session alive. `takes_file` is True where a body may hold a file: elsewhere it
    is small, and a file in it is not kept.
    """

    permission: Permission | None
    csrf: bool = True
    key_permission: Permission | None = None
    fresh: bool = False
    quiet: bool = False
    takes_file: bool = False


PUBLIC = Access(None)
PUBLIC_FORM = Access(None, csrf=False, takes_file=True)

# Routes that libraries register, by endpoint.
LIBRARY_ROUTES: dict[str, Access] = {"static": PUBLIC}


def needs(permission: Permission, *, fresh: bool = False, quiet: bool = False, takes_file: bool = False) -> Access:
    """Return the access rule "needs `permission`"; `fresh`: shown by someone who signed in a short while ago."""
    return Access(permission, fresh=fresh, quiet=quiet, takes_file=takes_file)


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
    """Return who makes this request: on public routes a prospect, unless a key says otherwise."""
    return cast(Actor, g.get("actor", PROSPECT))


def may(permission: Permission) -> bool:
    """Say whether whoever makes this request has `permission`."""
    return permission in g.get("permissions", frozenset())


def by_key() -> bool:
    """Say whether a key makes this request."""
    return bool(g.get("by_key", False))


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
    bound_body(takes_file=rule.takes_file)
    key = request.headers.get("X-API-Key")
    if key is not None and rule.key_permission is not None:
        rule = replace(rule, permission=rule.key_permission)
    if rule.permission is not None:
        refused = _refuse_key(key) if key is not None else _refuse_session(rule)
        if refused is not None:
            return refused
        if rule.permission not in g.permissions:
            return _forbidden()
    if rule.csrf and request.method not in SAFE_METHODS and not by_key():
        _check_token()
    return None


def _check_token() -> None:
    try:
        csrf.protect()
    except CSRFError:
        note_refusal(Why.CSRF)
        raise


def _refuse_key(key: str) -> Response | None:
    """Find out whose key this is: sets `g.actor` and `g.permissions`, or returns the refusal."""
    address = request.remote_addr or ""
    try:
        found = use_key(key, address=address)
    except KeyNotAllowedFromAddress:
        record_refused_key(key, address=address)
        raise
    if found is None:
        wait = spend_for_client(WRONG_KEYS, "wrong-key")
        if wait is not None:
            return problem(429, "Too many wrong keys came from this address.", headers={"Retry-After": str(wait)})
        record_refused_key(key, address=address)
        return _unauthenticated()
    g.by_key = True
    g.actor, g.permissions = found
    return None


def _refuse_session(rule: Access) -> Response | None:
    """Find out who is signed in: sets `g.actor` and `g.permissions`, or returns the refusal."""
    g.quiet = rule.quiet
    found = auth_session()
    if found is None or found.stage is SessionStage.SECOND_FACTOR:
        return _unauthenticated(found)
    user = found.user
    g.actor = Actor("user", user.id, user.name, request.remote_addr or "")
    g.permissions = ENROLMENT_PERMISSIONS if found.stage is SessionStage.ENROLMENT else ROLE_PERMISSIONS[user.role]
    if found.stage is SessionStage.ENROLMENT and rule.permission not in g.permissions:
        return _not_enrolled()
    if rule.fresh and utc_now() - found.authenticated_at > FRESH_FOR and rule.permission in g.permissions:
        return _stale()
    return None


def _forbidden() -> Response:
    note_refusal(Why.SCOPE if by_key() else Why.ROLE)
    if by_key():
        return problem(403, "This key has no scope for that. Ask an administrator for one that has.")
    return problem(403, "You are signed in, but your role does not allow this. Ask an administrator.")


def _not_enrolled() -> Response:
    """Lead someone to setting up a second factor, since the firm requires one."""
    if wants_html():
        return _lead_to("/internal/account/second-factor", 403)
    return problem(403, "The firm requires a second factor. Open the desk in a browser and set one up.")


def _lead_to(address: str, status: int) -> Response:
    """Lead a browser to another page; a script, which would put it into a part of its own page, with `status`."""
    if "HX-Request" in request.headers:
        response = Response(status=status, headers={"HX-Redirect": address})
    else:
        response = cast(Response, redirect(address, 303))
    response.headers["Vary"] = "HX-Request"
    return vary_on_accept(response)


def _stale() -> Response:
    """Ask someone who signed in long ago to show again who it is, and lead back to where the button was."""
    wanted = request.full_path.rstrip("?") if request.method in SAFE_METHODS else back("/internal/account")
    if wants_html():
        return _lead_to(f"/internal/account/confirm?{urlencode({'next': wanted})}", 403)
    return problem(403, "You signed in too long ago for this. Open the desk and confirm that it is you.")


def _unauthenticated(half_open: AuthSession | None = None) -> Response:
    if wants_html():
        wanted = request.full_path.rstrip("?") if request.method in SAFE_METHODS else "/internal/leads"
        page = "/login" if half_open is None else "/login/code"
        return _lead_to(f"{page}?{urlencode({'next': wanted})}" if is_inside(wanted) else page, 401)
    return problem(
        401,
        "Send a key that works in X-API-Key, or sign in.",
        headers={"WWW-Authenticate": 'ApiKey realm="internal", header="X-API-Key"'},
    )

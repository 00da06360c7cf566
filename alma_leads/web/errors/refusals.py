"""Noting in the audit log who was refused. In a flood of refusals, most cost no more than a look into memory."""

from __future__ import annotations

import re
from typing import cast

import structlog
from flask import Flask, Response, current_app, g, request

from alma_leads.accounts.core.access_refusal_service import EVERY, Why, record_refused_access
from alma_leads.common.actor import Actor, stranger
from alma_leads.database.base import utc_now

log = structlog.get_logger(__name__)
_PLACEHOLDER = re.compile(r"<(?:[^<>:]*:)?([^<>]+)>")
_MOST_REMEMBERED = 4096

# Until when (seconds since 1970) the same refusal need not be looked up again in this process.
_Seen = dict[tuple[str, int | None, str | None, str, Why], float]


def init_app(app: Flask) -> None:
    """Make `app` note each 429; other refusals are noted where they happen."""
    app.extensions["refusals"] = {}
    app.after_request(_note_too_many)


def note_refusal(why: Why) -> None:
    """Note that whoever makes this request is refused. Never raises: the refusal counts, not the note."""
    if request.url_rule is None:
        return
    actor = _who()
    route = f"{request.method} " + _PLACEHOLDER.sub(r"{\1}", request.url_rule.rule)
    if _seen_lately((actor.kind, actor.id, actor.address, route, why)):
        return
    try:
        record_refused_access(actor, route, why)
    except Exception:
        log.warning("refusal could not be noted", exc_info=True)


def _note_too_many(response: Response) -> Response:
    if response.status_code == 429:
        note_refusal(Why.TOO_MANY)
    return response


def _who() -> Actor:
    found = cast("Actor | None", g.get("actor"))
    if found is not None and found.kind in ("user", "key"):
        return found
    return stranger(request.remote_addr or "")


def _seen_lately(what: tuple[str, int | None, str | None, str, Why]) -> bool:
    seen = cast(_Seen, current_app.extensions["refusals"])
    now = utc_now().timestamp()
    if seen.get(what, 0) > now:
        return True
    if len(seen) >= _MOST_REMEMBERED:
        seen.clear()
    seen[what] = now + EVERY.total_seconds()
    return False

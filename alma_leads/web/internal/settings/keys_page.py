"""The settings page of keys: which there are, a new one (shown once), and revoking one."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from flask import Response, make_response, redirect, render_template, request, session

from alma_leads.accounts.api_keys import key_service
from alma_leads.accounts.core.errors import KeyRefused
from alma_leads.accounts.core.models import ApiKey, KeyState
from alma_leads.accounts.core.permissions import Permission, Scope
from alma_leads.database.base import from_stamp, to_stamp
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import Clock, in_sentence
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.frame.toasts import Toast, keep_toast

HOME = "/internal/settings/keys"
KEY_ID = "<int(max=9223372036854775807):key_id>"
FORM = "key_form"  # of the session: the number of the form that may still make a key
SOON_S = 14 * 86_400
SCOPE_WORDS = {
    Scope.CREATE: "Send leads in",
    Scope.READ: "Read leads, their events and resumes",
    Scope.UPDATE: "Mark leads reached out, and assign prospects",
    Scope.EXPORT: "Download all leads as a file",
}
NOTHING_TYPED: Mapping[str, str] = {"name": "", "expires": "", "networks": ""}


class KeyView(NamedTuple):
    """A row of the table. `state` is "active", "expired" or "revoked"; `soon` says that it expires soon.

    `used_at` and `ends_at` are the exact moments, or None.
    """

    id: int
    name: str
    prefix: str
    scopes: str
    networks: str
    made_by: str
    last_used: str
    used_at: str | None
    ends: str
    ends_at: str | None
    soon: bool
    state: str


@internal.get("/settings/keys")
@access(needs(Permission.MANAGE_KEYS))
def keys_page() -> Response:
    """Show every key, those that work first."""
    return _list()


@internal.get("/settings/keys/new")
@access(needs(Permission.MANAGE_KEYS, fresh=True))
def new_key_form() -> Response:
    """Ask what the new key is to be."""
    return _form(NOTHING_TYPED, (), {})


@internal.post("/settings/keys")
@access(needs(Permission.MANAGE_KEYS, fresh=True))
def create_key() -> Response:
    """Make a key, and show it in this answer alone.

    A 303 would need the secret to be kept until the next request. Without one, reloading sends the form again: a form
    makes one key, and then leads to the list.
    """
    number = session.pop(FORM, "")
    if not number or number != request.form.get("form"):
        keep_toast(Toast("That form has made its key. A key is shown once."))
        return make_response(redirect(HOME, 303))
    typed = {name: request.form.get(name, "").strip() for name in NOTHING_TYPED}
    scopes = request.form.getlist("scopes")
    try:
        key, secret = key_service.create_key(
            typed["name"],
            scopes=scopes,
            networks=typed["networks"].replace(",", " ").split(),
            expires_at=_end_of(typed["expires"], reader_clock()),
            actor=actor(),
        )
    except KeyRefused as refused:
        return _form(typed, scopes, refused.errors, status=422)
    return _list(key, secret)


@internal.get(f"/settings/keys/{KEY_ID}/revoke")
@access(needs(Permission.MANAGE_KEYS, fresh=True))
def confirm_revoking(key_id: int) -> Response:
    """Ask whether the key is to be revoked."""
    key = _view(key_service.get_key(key_id), reader_clock())
    if key.state == "revoked":
        keep_toast(Toast(f"{key.name} was revoked already."))
        return make_response(redirect(HOME, 303))
    return _page("internal/settings/key_revoke.html", key=key)


@internal.post(f"/settings/keys/{KEY_ID}/revoke")
@access(needs(Permission.MANAGE_KEYS, fresh=True))
def revoke_key(key_id: int) -> Response:
    """Revoke a key: its next request is refused."""
    name = key_service.get_key(key_id).name
    done = key_service.revoke_key(key_id, actor=actor())
    keep_toast(Toast(f"{name} is revoked." if done else f"{name} was revoked already."))
    return make_response(redirect(HOME, 303))


def _list(created: ApiKey | None = None, secret: str = "") -> Response:
    clock = reader_clock()
    rows = [_view(key, clock) for key in key_service.list_keys()]
    new = next((row for row in rows if created and row.id == created.id), None)
    return _page("internal/settings/keys.html", keys=rows, new=new, secret=secret)


def _form(typed: Mapping[str, str], scopes: Iterable[str], errors: Mapping[str, str], *, status: int = 200) -> Response:
    session[FORM] = secrets.token_urlsafe(12)
    return _page(
        "internal/settings/key_new.html",
        status=status,
        form=session[FORM],
        typed=typed,
        scopes=[(scope.value, words, scope.value in scopes) for scope, words in SCOPE_WORDS.items()],
        errors=errors,
        today=reader_clock().today.isoformat(),
    )


def _page(template: str, *, status: int = 200, **shown: object) -> Response:
    return private(make_response(render_template(template, section="settings", tab="keys", **shown), status))


def _end_of(day: str, clock: Clock) -> datetime | None:
    """Return the last moment of the day that was typed, as its reader counts days; None when there is none.

    Raises:
        KeyRefused: it is no day.
    """
    if not day:
        return None
    try:
        return from_stamp(clock.end_of(date.fromisoformat(day)))
    except (ValueError, OverflowError):
        raise KeyRefused({"expires": "Write the day like 2027-02-24"}) from None


def _view(key: ApiKey, clock: Clock) -> KeyView:
    ends, soon = "Never", False
    ends_at = key.expires_at if key.state is KeyState.EXPIRED else key.revoked_at or key.expires_at
    stamp = to_stamp(ends_at) if ends_at else ""
    if key.state is KeyState.REVOKED:
        ends = f"Revoked {in_sentence(clock.day(stamp))}"
    elif key.state is KeyState.EXPIRED:
        ends = f"Expired {in_sentence(clock.day(stamp))}"
    elif stamp:
        soon = -clock.seconds_since(stamp) < SOON_S
        ends = clock.day(stamp) + (f", {clock.until(stamp)}" if soon else "")
    used_at = to_stamp(key.last_used_at) if key.last_used_at else None
    return KeyView(
        key.id,
        key.name,
        f"{key.prefix}…",
        key.scopes.replace("leads:", "").replace(" ", ", "),
        key.networks.replace(" ", ", "),
        key.created_by,
        _last_used(used_at, clock),
        used_at,
        ends,
        stamp or None,
        soon,
        key.state,
    )


def _last_used(stamp: str | None, clock: Clock) -> str:
    if stamp is None:
        return "Never"
    return clock.ago(stamp).capitalize() if clock.seconds_since(stamp) < 3600 else clock.moment(stamp)

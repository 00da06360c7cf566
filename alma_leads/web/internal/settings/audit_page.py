"""The settings page of the audit log, and its exports. Everything chosen is in the address."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Response, make_response, render_template, request

from alma_leads.accounts.core.actors import list_actors
from alma_leads.accounts.core.permissions import Permission
from alma_leads.audit import audit_log
from alma_leads.audit.audit_log import LogFilter, LogPosition
from alma_leads.audit.audit_service import export_log
from alma_leads.audit.trail import Action
from alma_leads.common.extensions import db
from alma_leads.database.base import from_stamp, to_stamp
from alma_leads.file_formats.formats import TextFormat
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.errors.problems import InputRefused
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import Clock
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.frame.downloads import download
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.settings.audit_words import event_view, label
from alma_leads.web.requests.numbers import whole_number

PAGE_ROWS = 50
# Doers without a number, by the word for them in the address.
OTHERS = {"key": "INTERNAL_API_KEY", "system": "Command line", "stranger": "Someone not signed in"}
_CHOICES = ("action", "who", "from", "to")


class Asked(NamedTuple):
    """What the query string asks for. `chosen` is what the reader chose, by parameter, apart from the position."""

    wanted: LogFilter
    after: LogPosition | None
    chosen: dict[str, str]


@internal.get("/settings/audit")
@access(needs(Permission.READ_AUDIT_LOG))
def audit_page() -> Response:
    """Show who did what, newest first."""
    clock = reader_clock()
    asked = _asked(clock)
    events, following = audit_log.list_events(db.session(), asked.wanted, limit=PAGE_ROWS, after=asked.after)
    people, keys = _actors()
    query = urlencode(asked.chosen)
    body = render_template(
        "internal/settings/audit.html",
        chosen=asked.chosen,
        actions=sorted(((action.value, label(action)) for action in Action), key=lambda pair: pair[1]),
        doers=(("People", people), ("Keys", [*keys, ("key", OTHERS["key"])]), ("Others", list(OTHERS.items())[1:])),
        rows=[event_view(event, clock) for event in events],
        query=query,
        first=asked.after is None,
        following=urlencode(asked.chosen | {"before": f"{to_stamp(following.at)}/{following.id}"}) if following else "",
        zone=clock.zone.key,
    )
    return private(make_response(body))


@internal.get("/settings/audit.csv")
@access(needs(Permission.READ_AUDIT_LOG))
def audit_csv() -> Response:
    """Send all events of a filter as CSV."""
    return _download("csv")


@internal.get("/settings/audit.ndjson")
@access(needs(Permission.READ_AUDIT_LOG))
def audit_ndjson() -> Response:
    """Send all events of a filter, one JSON object a line."""
    return _download("ndjson")


def _download(kind: TextFormat) -> Response:
    wanted = _asked(reader_clock()).wanted
    return download(lambda: export_log(wanted, kind=kind, actor=actor()), kind=kind, name="audit")


def _actors() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return people and keys as options: what goes into the address, and the name."""
    found = list_actors(db.session())
    off = {"user": "deactivated", "key": "revoked"}
    options = [
        (
            each_actor.kind,
            (
                f"{each_actor.kind}-{each_actor.id}",
                each_actor.name if each_actor.is_active else f"{each_actor.name} ({off[each_actor.kind]})",
            ),
        )
        for each_actor in found
    ]
    return [each for kind, each in options if kind == "user"], [each for kind, each in options if kind == "key"]


def _asked(clock: Clock) -> Asked:
    errors: list[tuple[str, str]] = []
    found: dict[str, str | int | datetime | None] = {}
    after: LogPosition | None = None
    for name, value in request.args.items(multi=True):
        try:
            if name not in (*_CHOICES, "before"):
                raise ValueError("This parameter is not known. Leave it out")
            if value == "":
                continue
            if name == "action":
                found["action"] = _action(value)
            elif name == "who":
                found["actor_kind"], found["actor_id"] = _who(value)
            elif name == "before":
                after = _position(value)
            else:
                found["since" if name == "from" else "until"] = _moment(name, value, clock)
        except ValueError as error:
            errors.append((name, str(error)))
    if errors:
        raise InputRefused(errors)
    chosen = {name: request.args[name] for name in _CHOICES if request.args.get(name)}
    return Asked(LogFilter(**found), after, chosen)  # type: ignore[arg-type]


def _action(value: str) -> str:
    if value not in list(Action):
        raise ValueError("Choose an action from the list")
    return value


def _who(value: str) -> tuple[str, int | None]:
    kind, _, number = value.partition("-")
    if value in OTHERS:
        return value, None
    found = whole_number(number, digits=9)
    if kind in ("user", "key") and found is not None:
        return kind, found
    raise ValueError("Choose a person or a key from the list")


def _moment(name: str, value: str, clock: Clock) -> datetime:
    try:
        day = date.fromisoformat(value)
        return from_stamp(clock.start_of(day) if name == "from" else clock.end_of(day))
    except (ValueError, OverflowError):
        raise ValueError("Give a date like 2026-11-24") from None


def _position(value: str) -> LogPosition:
    at, _, number = value.partition("/")
    try:
        moment = from_stamp(at)
        found = whole_number(number)
        if moment.tzinfo is None or found is None:
            raise ValueError(value)
        return LogPosition(moment.astimezone(UTC), found)
    except (ValueError, OverflowError):
        raise ValueError("This place cannot be found. Start again without it") from None

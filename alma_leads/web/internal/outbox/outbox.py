"""The outbox: what waits, what failed with the server's words, what was sent; for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode

import orjson
from flask import Response, make_response, render_template, request
from sqlalchemy import Connection

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import db, settings
from alma_leads.database.transactions import reading
from alma_leads.jobs.tasks import wake
from alma_leads.outbox import queries as outbox
from alma_leads.outbox import queue
from alma_leads.outbox.queries import Delivery, MessageRow
from alma_leads.outbox.rendering import render_subject
from alma_leads.web.auth import access, actor, may, needs
from alma_leads.web.back import go_back
from alma_leads.web.errors.negotiation import vary_on_accept, wants_html
from alma_leads.web.errors.problems import InputRefused, problem
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.desk_frame import capped, reader_clock
from alma_leads.web.internal.frame.mail_labels import TOO_OLD, mail_name
from alma_leads.web.internal.frame.responses import private, wants_part
from alma_leads.web.internal.frame.toasts import Toast, keep_toast
from alma_leads.web.internal.outbox.outbox_rows import lead_names, message_view
from alma_leads.web.requests.numbers import whole_number

HOME = "/internal/outbox"
MESSAGE_ID = "<int(max=9223372036854775807):message_id>"
PAGE_ROWS = 50
DEAD_SHOWN = 20
MAX_LIMIT = 1000
# The tabs of the page, and the states that each shows in its table; "dead" has a section of its own.
TABS: dict[str, tuple[Delivery, ...]] = {
    "": ("queued", "retrying", "sent"),
    "queued": ("queued", "retrying"),
    "sent": ("sent",),
    "dead": (),
}
OPEN: tuple[Delivery, ...] = ("queued", "retrying", "dead")
STATES: tuple[Delivery, ...] = ("queued", "retrying", "dead", "sent")


class Asked(NamedTuple):
    """What the query string asks for."""

    state: str
    limit: int
    before: int | None


@internal.get("/outbox")
@access(needs(Permission.READ_OUTBOX))
def outbox_page() -> Response:
    """List messages without their bodies: a page for people, an array of those still open for programs."""
    return vary_on_accept(_page() if wants_html() else _array())


@internal.get(f"/outbox/{MESSAGE_ID}")
@access(needs(Permission.READ_OUTBOX))
def outbox_message(message_id: int) -> Response:
    """Show one message without its bodies; to a script of the page, its place in the list of dead letters."""
    with reading(db.engine) as connection:
        message = outbox.find_message(connection, message_id)
    if message is None:
        return problem(404, "There is no such message.")
    if wants_part(f"msg-{message_id}"):
        return _part(message, None)
    return vary_on_accept(_json(_shown(message)))


@internal.post(f"/outbox/{MESSAGE_ID}/send")
@access(needs(Permission.MANAGE_OUTBOX))
def send_again(message_id: int) -> Response:
    """Send a dead letter again, or try a waiting message now."""
    done = queue.retry(db.engine, message_id, actor=actor())
    with reading(db.engine) as connection:
        message = outbox.find_message(connection, message_id)
    if message is None:
        return problem(404, "There is no such message.")
    if done:
        wake()
    what = f"The {mail_name(message.kind).lower()} to {message.recipient}"
    toast = Toast(f"{what} goes out again." if done else f"{what} was on its way already.")
    if message.is_too_old and not done and message.state == "dead":
        if not wants_html():
            return problem(409, TOO_OLD)
        toast = Toast(TOO_OLD)
    if wants_part(f"msg-{message_id}"):
        return _part(message, toast)
    if not wants_html():
        return vary_on_accept(_json(_shown(message)))
    keep_toast(toast)
    return go_back(HOME)


@internal.post("/outbox/send-dead")
@access(needs(Permission.MANAGE_OUTBOX))
def send_dead() -> Response:
    """Send every dead letter again."""
    count = queue.retry_failed(db.engine, actor=actor())
    if count:
        wake()
    if not wants_html():
        return vary_on_accept(_json({"count": count}))
    keep_toast(Toast(f"{count} {'email goes' if count == 1 else 'emails go'} out again."))
    return go_back(HOME)


def _page() -> Response:
    asked = _asked(states=tuple(filter(None, TABS)), default_limit=PAGE_ROWS)
    with reading(db.engine) as connection:
        counts = outbox.counts(connection)
        can_go_again = outbox.count_dead_and_of_use(connection) if counts.dead else 0
        last = outbox.page(connection, ("sent",), limit=1)
        dead, rows, more = _listed(connection, asked)
        names = lead_names([*dead, *rows])
    clock = reader_clock()
    listed = rows or dead
    body = render_template(
        "internal/outbox.html",
        tab=asked.state,
        waiting=capped(min(counts.queued + counts.retrying, outbox.COUNT_CAP)),
        sent=capped(counts.sent),
        dead_count=capped(counts.dead) if counts.dead else "",
        last_sent=clock.ago(last[0].settled_at) if last and last[0].settled_at else "",
        dead=[message_view(message, names, clock) for message in dead],
        dead_left=asked.state == "" and counts.dead > len(dead) > 0,
        send_all=_send_all_label(can_go_again),
        rows=[message_view(message, names, clock) for message in rows],
        following=urlencode({"state": asked.state, "before": listed[-1].id}) if more else "",
        first=asked.before is None,
        can_send=may(Permission.MANAGE_OUTBOX),
    )
    return private(make_response(body))


def _listed(connection: Connection, asked: Asked) -> tuple[list[MessageRow], list[MessageRow], bool]:
    """Return the dead letters, the other messages, and whether the list goes on."""
    if asked.state == "dead":
        found = outbox.page(connection, ("dead",), limit=asked.limit + 1, before_id=asked.before)
        return found[: asked.limit], [], len(found) > asked.limit
    found = outbox.page(connection, TABS[asked.state], limit=asked.limit + 1, before_id=asked.before)
    with_dead = asked.state == "" and asked.before is None
    dead = outbox.page(connection, ("dead",), limit=DEAD_SHOWN) if with_dead else []
    return dead, found[: asked.limit], len(found) > asked.limit


def _array() -> Response:
    asked = _asked(states=STATES, default_limit=100)
    states: tuple[Delivery, ...] = (cast(Delivery, asked.state),) if asked.state else OPEN
    with reading(db.engine) as connection:
        found = outbox.page(connection, states, limit=asked.limit + 1, before_id=asked.before)
    rows = found[: asked.limit]
    response = _json([_shown(row) for row in rows])
    if len(found) > asked.limit:
        query = urlencode({"state": asked.state, "limit": asked.limit, "before": rows[-1].id})
        response.headers["Link"] = f'<{settings().PUBLIC_URL}{request.path}?{query}>; rel="next"'
    return response


def _asked(*, states: Sequence[str], default_limit: int) -> Asked:
    errors: list[tuple[str, str]] = []
    state, numbers = "", {"limit": default_limit, "before": 0}
    for name, value in request.args.items(multi=True):
        if name == "state" and value in ("", *states):
            state = value
        elif name == "state":
            errors.append((name, f"Give one of {', '.join(states)}"))
        elif name in numbers:
            number = whole_number(value)
            if number:
                numbers[name] = number
            elif value:
                errors.append((name, "Give a whole number from 1"))
        else:
            errors.append((name, "This parameter is not known. Leave it out"))
    if numbers["limit"] > MAX_LIMIT:
        errors.append(("limit", f"Give a whole number from 1 to {MAX_LIMIT}"))
    if errors:
        raise InputRefused(errors)
    return Asked(state, numbers["limit"], numbers["before"] or None)


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), content_type="application/json", headers={"Cache-Control": "no-store"})


def _shown(message: MessageRow) -> dict[str, Any]:
    """Return a message as programs see it."""
    fields = message._asdict() | {"state": message.delivery, "subject": _subject(message)}
    # What an email says is for its reader.
    return {"id": message.id, "state": message.delivery} | {
        name: value for name, value in fields.items() if name not in ("language", "facts")
    }


def _subject(message: MessageRow) -> str:
    if message.facts is None or not message.language:
        return message.subject or ""
    return render_subject(message.kind, message.facts, language=message.language)


def _part(message: MessageRow, toast: Toast | None) -> Response:
    names = lead_names([message])
    view = message_view(message, names, reader_clock())
    shown = {"mail": view, "toast": toast, "can_send": may(Permission.MANAGE_OUTBOX)}
    return private(make_response(render_template("internal/swap_message.html", **shown)))


def _send_all_label(dead: int) -> str:
    if dead < 2:
        return ""
    return "Send both again" if dead == 2 else f"Send all {capped(dead)} again"

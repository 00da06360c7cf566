"""Composing an e-mail from its three templates, `templates/email/<kind>.{subject.txt,txt,html}`. Sends nothing."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from flask import current_app
from jinja2 import BaseLoader, Environment, StrictUndefined, select_autoescape
from markupsafe import escape
from sqlalchemy import Connection

from alma_leads.database.base import to_stamp, utc_now
from alma_leads.extensions import settings
from alma_leads.outbox.message import Message
from alma_leads.outbox.queue import enqueue


def compose(
    kind: str,
    /,
    *,
    correlation: str,
    recipient: str | None,
    sender_name: str,
    reply_to: str | None = None,
    expires_at: datetime | None = None,
    **context: Any,
) -> Message:
    """Return the e-mail of a kind, with `context` filled into its templates.

    Text that is not empty stays text: it is filled in after rendering, escaped in the HTML, and a template can do
    nothing with it but show it. All else, an empty text too, a template may ask about; it must be hashable.

    Args:
        kind: names the templates, which get nothing but `context`; a name that they use and it lacks is an error.
        correlation: the sender's own key, by which it asks for the state later ("lead:412").
        recipient: an address, or None for the helpdesk.
        sender_name: shown before the From address.
        reply_to: an address for answers, or None for the helpdesk.
        expires_at: when the link in it stops working; its links are secrets then.
        context: what the templates show.

    Raises:
        UnsafeHeader: a header would break.
    """
    texts = {name: value for name, value in context.items() if isinstance(value, str) and value}
    rest = tuple((name, value) for name, value in context.items() if name not in texts)
    subject, text, html = _frame(_environment(current_app.jinja_loader), kind, tuple(texts), rest)
    for name, value in texts.items():
        subject = subject.replace(_place(name), value)
        text = text.replace(_place(name), value)
        html = html.replace(_place(name), str(escape(value)))
    return Message(
        kind=kind,
        correlation=correlation,
        recipient=recipient,
        sender_name=sender_name,
        reply_to=reply_to,
        subject=subject,
        text=text,
        html=html,
        expires_at=expires_at,
    )


def promise(connection: Connection, *messages: Message) -> None:
    """Put messages into the outbox, in the caller's transaction; nothing is committed here."""
    enqueue(connection, messages, now=to_stamp(utc_now()), message_id_domain=message_id_domain(settings().PUBLIC_URL))


def message_id_domain(public_url: str) -> str:
    """Return the right-hand side of each Message-ID."""
    return urlsplit(public_url).hostname or "localhost"


def _place(name: str) -> str:
    """Return what stands for a value until it is filled in: no name, address or link holds a control character."""
    return f"\x02{name}\x03"


@lru_cache(maxsize=64)
def _frame(
    environment: Environment, kind: str, texts: tuple[str, ...], rest: tuple[tuple[str, Any], ...]
) -> tuple[str, str, str]:
    """Return subject, text and HTML with places for `texts`: six renderings cost more than all statements of a lead."""
    context = {name: _place(name) for name in texts} | dict(rest)
    return (
        environment.get_template(f"email/{kind}.subject.txt").render(context).strip(),
        environment.get_template(f"email/{kind}.txt").render(context),
        environment.get_template(f"email/{kind}.html").render(context),
    )


@lru_cache(maxsize=1)
def _environment(loader: BaseLoader | None) -> Environment:
    """Return an environment without what Flask offers to pages: e-mails need none of it, and each rendering pays."""
    return Environment(
        loader=loader,
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

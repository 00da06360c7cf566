"""The two e-mails that a lead causes: composed here as values, sent by the outbox."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from flask import current_app
from jinja2 import BaseLoader, Environment, StrictUndefined, select_autoescape
from markupsafe import escape

from alma_leads.leads.schemas import LeadIn
from alma_leads.outbox.message import Message

CONFIRMATION = "lead_confirmation"
NOTIFICATION = "lead_notification"

# A first name with one of these could carry somebody's link into a stranger's inbox.
_LINK_MARKS = frozenset("/:.@")


def correlation(lead_id: int) -> str:
    """Return the key under which the outbox knows the e-mails of a lead."""
    return f"lead:{lead_id}"


def confirmation(lead: LeadIn, *, lead_id: int) -> Message:
    """Return the e-mail that tells the prospect that the details have arrived. Holds no address of this application."""
    safe_name = "" if _LINK_MARKS.intersection(lead.first_name) else lead.first_name
    return _compose(CONFIRMATION, lead_id, recipient=lead.email, sender_name="Alma", first_name=safe_name)


def notification(
    lead: LeadIn,
    *,
    lead_id: int,
    attorney_email: str | None,
    file_name: str | None,
    earlier: list[tuple[int, str]],
    public_url: str,
) -> Message:
    """Return the e-mail that tells the attorney, or the helpdesk when there is none, of a new lead.

    Args:
        lead: what was submitted.
        lead_id: its number.
        attorney_email: the active attorney who has this prospect.
        file_name: name of the uploaded file, if one was.
        earlier: (number, status) of the prospect's earlier leads, newest first.
        public_url: start of the link to the desk.
    """
    return _compose(
        NOTIFICATION,
        lead_id,
        recipient=attorney_email,
        sender_name="Alma leads",
        lead_id=str(lead_id),
        name=f"{lead.first_name} {lead.last_name}",
        email=lead.email,
        resume_label=file_name or urlsplit(lead.resume_url or "").hostname or "",
        lead_url=f"{public_url}/internal/leads/{lead_id}",
        earlier=tuple(earlier),
        returning=bool(earlier),
        assigned=attorney_email is not None,
    )


def _compose(kind: str, about: int, /, *, recipient: str | None, sender_name: str, **context: Any) -> Message:
    texts = {name: value for name, value in context.items() if isinstance(value, str) and value}
    rest = tuple((name, value) for name, value in context.items() if name not in texts)
    subject, text, html = _frame(_environment(current_app.jinja_loader), kind, tuple(texts), rest)
    for name, value in texts.items():
        subject = subject.replace(_place(name), value)
        text = text.replace(_place(name), value)
        html = html.replace(_place(name), str(escape(value)))
    return Message(
        kind=kind,
        correlation=correlation(about),
        recipient=recipient,
        sender_name=sender_name,
        reply_to=None,
        subject=subject,
        text=text,
        html=html,
    )


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

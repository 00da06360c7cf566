"""Messages in the outbox: a kind of email for tests alone, and what the enqueued ones say."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from typing import Any

from flask import Flask
from jinja2 import ChoiceLoader, DictLoader
from sqlalchemy import Engine, insert, select

from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.database.transactions import transaction_on
from alma_leads.outbox import queue
from alma_leads.outbox.message import NewMessage
from alma_leads.outbox.models import MessageState, OutboxMessage
from alma_leads.outbox.rendering import Content, render

NOTE = "note"


def offer_notes(app: Flask) -> None:
    """Give the application the templates of a kind of email that says what its facts say, "note"."""
    templates = {
        "email/note.subject.txt": "{{ subject }}\n",
        "email/note.txt": "{{ text }}",
        "email/note.html": "{{ html | safe }}",
    }
    given = app.jinja_loader
    app.jinja_loader = ChoiceLoader([*([given] if given else []), DictLoader(templates)])


def note(*, subject: str = "Hello", text: str = "text", html: str = "<p>html</p>", **changes: Any) -> NewMessage:
    """Return a message that is ready to be enqueued."""
    values: dict[str, Any] = {
        "kind": NOTE,
        "correlation": "lead:1",
        "recipient": "ada@example.com",
        "sender_name": "Alma",
        "facts": {"subject": subject, "text": text, "html": html},
    }
    return NewMessage(**values | changes)


def enqueue_notes(where: Engine | Flask, count: int = 1, **changes: Any) -> None:
    """Enqueue notes, with the subjects "No. 0", "No. 1" … An engine needs an application context."""
    with where.app_context() if isinstance(where, Flask) else nullcontext():
        engine = db.engine if isinstance(where, Flask) else where
        with transaction_on(engine) as connection:
            queue.enqueue(connection, *(note(**{"subject": f"No. {number}"} | changes) for number in range(count)))


def written_message(engine: Engine, *, text: str, expires_at: datetime | None = None) -> None:
    """Store a message as the version before stored it: with its subject and bodies, and without facts."""
    values = {
        "message_id": "<written@firm.example>",
        "kind": NOTE,
        "correlation": "lead:1",
        "recipient": "ada@example.com",
        "sender_name": "Alma",
        "subject": "Written before",
        "text_body": text,
        "html_body": f"<p>{text}</p>",
        "state": MessageState.QUEUED,
        "attempts": 0,
        "due_at": utc_now(),
        "created_at": utc_now(),
        "expires_at": expires_at,
    }
    with transaction_on(engine) as connection:
        connection.execute(insert(OutboxMessage), values)


def enqueued(app: Flask, kind: str) -> list[tuple[OutboxMessage, Content]]:
    """Return the messages of a kind with what they say, oldest first."""
    with app.app_context():
        found = db.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == kind).order_by(OutboxMessage.id))
        return [(each, rendered(each)) for each in found]


def rendered(message: OutboxMessage | NewMessage) -> Content:
    """Return what a message says. Needs an application context."""
    return render(message.kind, message.facts or {}, language=message.language or "en")

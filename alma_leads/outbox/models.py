"""The outbox table: every email that was enqueued, until a server has taken it. It knows no lead."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ColumnElement, Index, String, Text, and_, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, UtcDateTime, text_enum


class MessageState(enum.StrEnum):
    """`queued` waits (for its first try, or for the next); `sent` was accepted by a server; `dead` was given up."""

    QUEUED = "queued"
    SENT = "sent"
    DEAD = "dead"


def _where(name: str, *columns: str, condition: str) -> Index:
    return Index(name, *columns, postgresql_where=text(condition), sqlite_where=text(condition))


class OutboxMessage(Base):
    """One email to one address.

    A worker claims a message by moving `due_at` into the future and writing its `lease`; only who has the lease may
    finish it. A worker that dies leaves a message that comes due again by itself. `correlation` is the caller's own key
    ("lead:412"). Without a `recipient` it goes to the default recipient as set when it is sent. The worker renders it
    from its `facts`; those of a message that expires hold a link, and are deleted once it is finished. What has not
    been sent by `expires_at` is given up. `message_id` needs no unique index: it holds 128 random bits.

    `subject`, `text_body` and `html_body` are those of messages from before there were facts. Nothing writes them any
    more, and the next release drops them.
    """

    __tablename__ = "outbox_messages"

    id: Mapped[Id] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(String(320))
    kind: Mapped[str] = mapped_column(String(40))
    correlation: Mapped[str] = mapped_column(String(40), index=True)
    recipient: Mapped[str | None] = mapped_column(String(320))
    sender_name: Mapped[str] = mapped_column(String(100))
    reply_to: Mapped[str | None] = mapped_column(String(320))
    language: Mapped[str | None] = mapped_column(String(35))
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    subject: Mapped[str | None] = mapped_column(String(500))
    text_body: Mapped[str | None] = mapped_column(Text)
    html_body: Mapped[str | None] = mapped_column(Text)
    state: Mapped[MessageState] = mapped_column(text_enum(MessageState, name="state", length=10))
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease: Mapped[str | None] = mapped_column(String(64))
    last_error: Mapped[str | None] = mapped_column(String(1000))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # What the worker takes next, and what the outbox page counts and lists: each an index of its own, so that no state
    # is slow to read because another one holds a million rows.
    __table_args__ = (
        _where("ix_outbox_messages_due", "due_at", "id", condition="state = 'queued'"),
        _where("ix_outbox_messages_waiting", "id", condition="state = 'queued' AND attempts = 0"),
        _where("ix_outbox_messages_retrying", "id", condition="state = 'queued' AND attempts > 0"),
        _where("ix_outbox_messages_dead", "id", condition="state = 'dead'"),
        _where("ix_outbox_messages_sent", "id", condition="state = 'sent'"),
        _where("ix_outbox_messages_settled", "settled_at", "state", "attempts", condition="settled_at IS NOT NULL"),
    )


# Literals and not parameters: a partial index serves only a condition that it can read.
WAITS: ColumnElement[bool] = OutboxMessage.state == literal_column("'queued'")
IS_QUEUED = and_(WAITS, OutboxMessage.attempts == literal_column("0"))
IS_RETRYING = and_(WAITS, OutboxMessage.attempts > literal_column("0"))
HAS_FAILED: ColumnElement[bool] = OutboxMessage.state == literal_column("'dead'")
IS_SENT: ColumnElement[bool] = OutboxMessage.state == literal_column("'sent'")


class MailPause(Base):
    """Why no mail goes out, in the one row of its table: the server takes none from us. Without `since` it does.

    `words` are the server's; `step` and `code` tell a refusal that is about us from one about a message (see
    `transport`). At `probe_at` one message is tried; `probes` were so far.
    """

    __tablename__ = "mail_pause"

    id: Mapped[Id] = mapped_column(primary_key=True)
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    words: Mapped[str] = mapped_column(String(1000), default="")
    step: Mapped[str] = mapped_column(String(10), default="")
    code: Mapped[int] = mapped_column(default=0)
    probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    probes: Mapped[int] = mapped_column(default=0)

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

"""The statements of the outbox that change rows, each built once, and how they are run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    CursorResult,
    Executable,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    text,
    update,
)

from alma_leads.database.base import from_stamp, utc_now
from alma_leads.outbox.models import HAS_FAILED, IS_SENT, WAITS, MessageState
from alma_leads.outbox.models import OutboxMessage as Message

ENQUEUE = insert(Message)

# PostgreSQL may run a plain subquery again and then lock more rows than the limit; a materialised one runs once.
_DUE = (
    select(Message.id.label("due_id"))
    .where(WAITS, Message.due_at <= bindparam("now"))
    .order_by(Message.due_at, Message.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
    .prefix_with("MATERIALIZED", dialect="postgresql")
)
CLAIM = (
    update(Message)
    .where(Message.id.in_(select(_DUE.c.due_id)))
    .values(lease=bindparam("new_lease"), due_at=bindparam("until"))
    .returning(
        Message.id,
        Message.message_id,
        Message.kind,
        Message.correlation,
        Message.recipient,
        Message.sender_name,
        Message.reply_to,
        Message.language,
        Message.facts,
        Message.subject,
        Message.text_body,
        Message.html_body,
        Message.attempts,
        Message.last_error,
        Message.expires_at,
    )
)
_HELD = and_(WAITS, Message.lease == bindparam("held_lease"))
_ONE_HELD = and_(_HELD, Message.id == bindparam("message"))
_THESE_HELD = and_(_HELD, Message.id.in_(bindparam("messages", expanding=True)))

EXTEND = update(Message).where(_THESE_HELD).values(due_at=bindparam("until"))
RELEASE = update(Message).where(_THESE_HELD).values(due_at=bindparam("now"), lease=null())
# The link among the facts of a message that expires is a secret. Bodies are those of before there were facts.
_WITHOUT_SECRETS = {
    "facts": case((Message.expires_at.is_(None), Message.facts), else_=literal({}, Message.facts.type)),
    "text_body": null(),
    "html_body": null(),
}
SENT = (
    update(Message)
    .where(_ONE_HELD)
    .values(
        state=MessageState.SENT,
        attempts=Message.attempts + 1,
        lease=null(),
        last_error=null(),
        settled_at=bindparam("now"),
        **_WITHOUT_SECRETS,
    )
)
RETRY_LATER = (
    update(Message)
    .where(_ONE_HELD)
    .values(attempts=Message.attempts + 1, lease=null(), last_error=bindparam("words"), due_at=bindparam("due"))
)
POSTPONED = (
    update(Message).where(_ONE_HELD).values(lease=null(), last_error=bindparam("words"), due_at=bindparam("due"))
)
FAILED = (
    update(Message)
    .where(_ONE_HELD)
    .values(
        state=MessageState.DEAD,
        attempts=Message.attempts + 1,
        lease=null(),
        last_error=bindparam("words"),
        settled_at=bindparam("now"),
    )
)
PURGE = (
    update(Message)
    .where(
        HAS_FAILED,
        Message.expires_at <= bindparam("now"),
        or_(cast(Message.facts, Text) != "{}", Message.text_body.is_not(None)),
    )
    .values(**_WITHOUT_SECRETS)
)
# Who waited through a whole pause for too long. Not what a worker holds: it is the one that is being tried.
GIVE_UP = (
    update(Message)
    .where(WAITS, Message.lease.is_(None), Message.created_at <= bindparam("waited_since"))
    .values(state=MessageState.DEAD, last_error=bindparam("words"), settled_at=bindparam("now"))
)
_STILL_VALID = or_(Message.expires_at.is_(None), Message.expires_at > bindparam("now"))
_REVIVED = {
    "state": MessageState.QUEUED,
    "attempts": 0,
    "due_at": bindparam("now"),
    "lease": null(),
    "last_error": null(),
    "settled_at": null(),
}
REVIVE_ALL = update(Message).where(HAS_FAILED, _STILL_VALID).values(**_REVIVED)
REVIVE = REVIVE_ALL.where(Message.id == bindparam("message")).returning(Message.kind, Message.correlation)
# Not one that a worker holds: it is being sent this very moment, and a second worker would send it as well.
HASTEN = (
    update(Message)
    .where(Message.id == bindparam("message"), WAITS, Message.lease.is_(None), Message.due_at > bindparam("now"))
    .values(due_at=bindparam("now"))
    .returning(Message.kind, Message.correlation)
)
# Neither what is sent nor what a worker is sending.
WITHDRAW = delete(Message).where(
    Message.correlation == bindparam("correlation"),
    Message.kind == bindparam("kind"),
    ~IS_SENT,
    or_(Message.lease.is_(None), Message.due_at <= bindparam("now")),
)
CLOCK = select(func.now())
# Losing this commit to a power cut costs a repeated email, never a lost one: it need not wait for the disk.
LOSABLE = text("SET LOCAL synchronous_commit TO OFF")


def changed(connection: Connection, statement: Executable, **params: Any) -> int:
    """Run a statement; return how many rows it changed."""
    result = connection.execute(statement, params)
    assert isinstance(result, CursorResult)
    return result.rowcount


def current_time(connection: Connection) -> datetime:
    """Return the database's time where it has a clock: workers on several machines must agree when a lease ends."""
    if connection.dialect.name == "sqlite":
        return utc_now()
    now = connection.execute(CLOCK).scalar_one()
    return now if isinstance(now, datetime) else from_stamp(now)

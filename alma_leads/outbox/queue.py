"""The life of an outbox row: enqueued, claimed by lease, finished, sent again.

The only module of this package that writes and commits. It opens no connection to a mail server.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Executable,
    Row,
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
from sqlalchemy.orm import Session

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import from_stamp, to_stamp, utc_now
from alma_leads.database.raw import Sql, Step
from alma_leads.database.transactions import transaction_on
from alma_leads.extensions import settings
from alma_leads.outbox.message import NewMessage
from alma_leads.outbox.models import HAS_FAILED, IS_SENT, WAITS, MessageState
from alma_leads.outbox.models import OutboxMessage as Message

WORDS_LENGTH = 1000

_ENQUEUE = insert(Message)

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
_CLAIM = (
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
        Message.expires_at,
    )
)
_HELD = and_(WAITS, Message.lease == bindparam("held_lease"))
_ONE_HELD = and_(_HELD, Message.id == bindparam("message"))
_THESE_HELD = and_(_HELD, Message.id.in_(bindparam("messages", expanding=True)))

_EXTEND = update(Message).where(_THESE_HELD).values(due_at=bindparam("until"))
_RELEASE = update(Message).where(_THESE_HELD).values(due_at=bindparam("now"), lease=null())
# The link among the facts of a message that expires is a secret. Bodies are those of before there were facts.
_WITHOUT_SECRETS = {
    "facts": case((Message.expires_at.is_(None), Message.facts), else_=literal({}, Message.facts.type)),
    "text_body": null(),
    "html_body": null(),
}
_SENT = (
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
_RETRY_LATER = (
    update(Message)
    .where(_ONE_HELD)
    .values(attempts=Message.attempts + 1, lease=null(), last_error=bindparam("words"), due_at=bindparam("due"))
)
_POSTPONED = (
    update(Message).where(_ONE_HELD).values(lease=null(), last_error=bindparam("words"), due_at=bindparam("due"))
)
_FAILED = (
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
_PURGE = (
    update(Message)
    .where(
        HAS_FAILED,
        Message.expires_at <= bindparam("now"),
        or_(cast(Message.facts, Text) != "{}", Message.text_body.is_not(None)),
    )
    .values(**_WITHOUT_SECRETS)
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
_REVIVE_ALL = update(Message).where(HAS_FAILED, _STILL_VALID).values(**_REVIVED)
_REVIVE = _REVIVE_ALL.where(Message.id == bindparam("message")).returning(Message.kind, Message.correlation)
# Not one that a worker holds: it is being sent this very moment, and a second worker would send it as well.
_HASTEN = (
    update(Message)
    .where(Message.id == bindparam("message"), WAITS, Message.lease.is_(None), Message.due_at > bindparam("now"))
    .values(due_at=bindparam("now"))
    .returning(Message.kind, Message.correlation)
)
# Neither what is sent nor what a worker is sending.
_WITHDRAW = delete(Message).where(
    Message.correlation == bindparam("correlation"),
    Message.kind == bindparam("kind"),
    ~IS_SENT,
    or_(Message.lease.is_(None), Message.due_at <= bindparam("now")),
)
_CLOCK = select(func.now())
# Losing this commit to a power cut costs a repeated email, never a lost one: it need not wait for the disk.
_LOSABLE = text("SET LOCAL synchronous_commit TO OFF")


class Failure(NamedTuple):
    """A message that was not taken: the server's words, and seconds until the next attempt (None: it has failed)."""

    id: int
    words: str
    delay_s: float | None


def enqueue(connection: Connection | Session, *messages: NewMessage) -> None:
    """Put messages into the outbox, in the caller's transaction; nothing is committed here."""
    if messages:
        now, domain = utc_now(), message_id_domain(settings().PUBLIC_URL)
        connection.execute(_ENQUEUE, [_values(message, now, domain) for message in messages])


def message_id_domain(public_url: str) -> str:
    """Return the right-hand side of each Message-ID."""
    return urlsplit(public_url).hostname or "localhost"


def _values(message: NewMessage, now: datetime, domain: str) -> dict[str, Any]:
    return {
        "message_id": f"<{secrets.token_hex(16)}@{domain}>",
        "kind": message.kind,
        "correlation": message.correlation,
        "recipient": message.recipient,
        "sender_name": message.sender_name,
        "reply_to": message.reply_to,
        "language": message.language,
        "facts": message.facts,
        "state": MessageState.QUEUED,
        "attempts": 0,
        "due_at": now,
        "created_at": now,
        "expires_at": message.expires_at,
    }


def enqueuing(messages: Sequence[NewMessage], *, now: datetime) -> Step:
    """Return the statement of `enqueue` for at least one message, for callers that run it together with others."""
    domain = message_id_domain(settings().PUBLIC_URL)
    params = {
        f"{name}{index}": value
        for index, message in enumerate(messages)
        for name, value in _values(message, now, domain).items()
    }
    for name, value in params.items():
        if isinstance(value, datetime):
            params[name] = to_stamp(value)
        elif isinstance(value, dict):
            params[name] = json.dumps(value)
    return _insert(len(messages)), params


@lru_cache(maxsize=16)
def _insert(count: int) -> Sql:
    names = (
        "message_id, kind, correlation, recipient, sender_name, reply_to, language, facts, state, attempts, due_at,"
        " created_at, expires_at"
    )
    rows = ("(" + ", ".join(f":{name}{index}" for name in names.split(", ")) + ")" for index in range(count))
    return Sql(f"INSERT INTO outbox_messages ({names}) VALUES " + ", ".join(rows))


def withdraw(connection: Connection | Session, *, correlation: str, kind: str) -> int:
    """Delete what was enqueued and has not been sent, in the caller's transaction; return how many that were.

    For messages that something newer has made wrong. One that is being sent this moment goes out all the same.
    """
    there = connection.connection() if isinstance(connection, Session) else connection
    return _changed(there, _WITHDRAW, correlation=correlation, kind=kind, now=_now(there))


def claim(engine: Engine, lease: str, *, limit: int, lease_s: float) -> list[Row[Any]]:
    """Take up to `limit` due messages, longest due first; nobody else gets them for `lease_s` seconds."""
    with transaction_on(engine) as connection:
        now = _now(connection)
        params = {"new_lease": lease, "now": now, "until": now + timedelta(seconds=lease_s), "limit": limit}
        rows: list[Row[Any]] = list(connection.execute(_CLAIM, params))
    # RETURNING promises no order. Ids are given in the order of enqueuing, which is fair enough within a batch.
    return sorted(rows, key=lambda row: row.id)


def extend(engine: Engine, lease: str, ids: Iterable[int], *, lease_s: float) -> int:
    """Hold what is still ours of `ids` for `lease_s` seconds more; return how many that are."""
    with transaction_on(engine) as connection:
        until = _now(connection) + timedelta(seconds=lease_s)
        return _changed(connection, _EXTEND, held_lease=lease, until=until, messages=list(ids))


def release(engine: Engine, lease: str, ids: Iterable[int]) -> int:
    """Give back at once what is still ours of `ids`, without counting an attempt; return how many that were."""
    with transaction_on(engine) as connection:
        return _changed(connection, _RELEASE, held_lease=lease, now=_now(connection), messages=list(ids))


def settle_sent(engine: Engine, lease: str, message_id: int) -> bool:
    """Note that a server took the message, if it is still ours."""
    with transaction_on(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(_LOSABLE)
        return _changed(connection, _SENT, held_lease=lease, message=message_id, now=utc_now()) == 1


def settle_failed(engine: Engine, lease: str, failures: Iterable[Failure]) -> int:
    """Note what was not taken, each to be tried again later or failed; return how many were still ours."""
    with transaction_on(engine) as connection:
        now = _now(connection)
        settled = 0
        for failure in failures:
            params = {"held_lease": lease, "message": failure.id, "words": _printable(failure.words)}
            if failure.delay_s is None:
                settled += _changed(connection, _FAILED, **params, now=now)
            else:
                settled += _changed(connection, _RETRY_LATER, **params, due=now + timedelta(seconds=failure.delay_s))
        return settled


def postpone(engine: Engine, lease: str, message_id: int, *, words: str, delay_s: float) -> None:
    """Give a message back without counting an attempt, to be tried in `delay_s` seconds. `words` say why."""
    with transaction_on(engine) as connection:
        due = _now(connection) + timedelta(seconds=delay_s)
        _changed(connection, _POSTPONED, held_lease=lease, message=message_id, words=_printable(words), due=due)


def retry(engine: Engine, message_id: int, *, actor: Actor) -> bool:
    """Send a failed message again, from its first attempt on, or try a waiting message now, as `actor` wants.

    Returns:
        False when there was nothing to do: it is sent, due already, in a worker's hands, too old, or there is none.
    """
    with transaction_on(engine) as connection:
        params = {"message": message_id, "now": _now(connection)}
        row = connection.execute(_REVIVE, params).first() or connection.execute(_HASTEN, params).first()
        if row is None:
            return False
        about = row.correlation.replace(":", " ")
        trail.record(connection, Action.OUTBOX_RETRIED, actor=actor, subject=about, message=message_id, kind=row.kind)
        return True


def retry_failed(engine: Engine, *, actor: Actor) -> int:
    """Send every failed message again that is not too old, as `actor` wants; return how many there were."""
    with transaction_on(engine) as connection:
        count = _changed(connection, _REVIVE_ALL, now=_now(connection))
        if count:
            trail.record(connection, Action.OUTBOX_RETRIED, actor=actor, subject="every dead letter", count=count)
        return count


def purge_secrets(session: Session) -> int:
    """Delete the facts of failed messages whose link has expired, in the caller's transaction."""
    connection = session.connection()
    return _changed(connection, _PURGE, now=_now(connection))


def _changed(connection: Connection, statement: Executable, **params: Any) -> int:
    result = connection.execute(statement, params)
    assert isinstance(result, CursorResult)
    return result.rowcount


def _now(connection: Connection) -> datetime:
    """Return the database's time where it has a clock: workers on several machines must agree when a lease ends."""
    if connection.dialect.name == "sqlite":
        return utc_now()
    now = connection.execute(_CLOCK).scalar_one()
    return now if isinstance(now, datetime) else from_stamp(now)


def _printable(words: str) -> str:
    """Return a server's words as one line that any page, log and database can hold."""
    spaced = "".join(char if char.isprintable() else " " for char in words)
    return " ".join(spaced.split())[:WORDS_LENGTH]

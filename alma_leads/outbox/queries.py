"""What is asked about the outbox: states, counts, lists. Reads only, and never a body."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    SQLColumnExpression,
    String,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    union,
)

from alma_leads.common.extensions import settings
from alma_leads.database.base import as_stamp, from_stamp, to_stamp, utc_now
from alma_leads.outbox.models import HAS_FAILED, IS_QUEUED, IS_RETRYING, IS_SENT, WAITS, OutboxMessage
from alma_leads.outbox.pause_service import find_pause

COUNT_CAP = 1000

Delivery = Literal["queued", "retrying", "dead", "sent"]

# Each has a partial index, which serves only a condition that it can read.
_CONDITIONS: dict[Delivery, ColumnElement[bool]] = {
    "queued": IS_QUEUED,
    "retrying": IS_RETRYING,
    "dead": HAS_FAILED,
    "sent": IS_SENT,
}
# From good to bad.
_BY_RANK: tuple[Delivery, ...] = ("sent", "queued", "retrying", "dead")
_RANK = case((HAS_FAILED, 3), (IS_RETRYING, 2), (IS_SENT, 0), else_=1)

_ROW = select(
    OutboxMessage.id,
    OutboxMessage.kind,
    OutboxMessage.correlation,
    OutboxMessage.recipient,
    OutboxMessage.subject,
    OutboxMessage.state,
    OutboxMessage.attempts,
    as_stamp(OutboxMessage.due_at),
    OutboxMessage.last_error,
    as_stamp(OutboxMessage.created_at),
    as_stamp(OutboxMessage.settled_at),
    as_stamp(OutboxMessage.expires_at),
    OutboxMessage.language,
    OutboxMessage.facts,
)
_PAGE = {
    delivery: _ROW.where(condition, OutboxMessage.id < bindparam("before_id"))
    .order_by(OutboxMessage.id.desc())
    .limit(bindparam("limit"))
    for delivery, condition in _CONDITIONS.items()
}
_ONE = _ROW.where(OutboxMessage.id == bindparam("id"))
_OF_CORRELATION = _ROW.where(OutboxMessage.correlation == bindparam("correlation")).order_by(OutboxMessage.id)


def _capped(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    some: Select[Any] = (
        select(literal_column("1")).select_from(OutboxMessage).where(*conditions).limit(bindparam("cap"))
    )
    return select(func.count()).select_from(some.subquery()).scalar_subquery()


_IS_OF_USE = or_(OutboxMessage.expires_at.is_(None), OutboxMessage.expires_at > bindparam("now"))
_COUNT_DEAD = select(_capped(HAS_FAILED))
_COUNT_DEAD_AND_OF_USE = select(_capped(HAS_FAILED, _IS_OF_USE))
_COUNT_SINCE = select(func.count()).where(
    OutboxMessage.correlation == bindparam("correlation"),
    OutboxMessage.kind == bindparam("kind"),
    OutboxMessage.created_at > bindparam("since"),
)
_COUNTS = select(*(_capped(condition).label(delivery) for delivery, condition in _CONDITIONS.items()))
_NEXT_DUE = (
    select(as_stamp(OutboxMessage.due_at)).where(WAITS).order_by(OutboxMessage.due_at, OutboxMessage.id).limit(1)
)


def _first(condition: ColumnElement[bool]) -> Select[Any]:
    first = select(as_stamp(OutboxMessage.created_at)).where(condition).order_by(OutboxMessage.id).limit(1)
    return select(first.subquery())


_OLDEST = _first(IS_QUEUED).union_all(_first(IS_RETRYING))


class MessageRow(NamedTuple):
    """A message without its bodies. Times are stamps; `recipient` is where it goes, or would go, today."""

    id: int
    kind: str
    correlation: str
    recipient: str
    subject: str | None
    state: str
    attempts: int
    due_at: str
    last_error: str | None
    created_at: str
    settled_at: str | None
    expires_at: str | None
    language: str | None
    facts: dict[str, Any] | None

    @property
    def is_too_old(self) -> bool:
        """Whether the link in it no longer works, so that it is not sent any more."""
        return self.expires_at is not None and self.expires_at <= to_stamp(utc_now())

    @property
    def is_retrying(self) -> bool:
        """Whether it waits for another attempt."""
        return self.state == "queued" and self.attempts > 0

    @property
    def delivery(self) -> Delivery:
        """Its state in one word for people."""
        if self.state == "queued":
            return "retrying" if self.attempts else "queued"
        return "dead" if self.state == "dead" else "sent"


def worst_delivery(subject: str, row_id: SQLColumnExpression[int]) -> ScalarSelect[Any]:
    """Return the worst state among the messages about a row, as a `Delivery`; NULL if there are none."""
    return (
        select(case(dict(enumerate(_BY_RANK)), value=func.max(_RANK)))
        .where(OutboxMessage.correlation == literal(f"{subject}:") + cast(row_id, String))
        .scalar_subquery()
    )


def troubled_ids(subject: str) -> Any:
    """Return the statement for the ids of the rows about which a message has failed or is tried again."""
    prefix = f"{subject}:"
    number = cast(func.substr(OutboxMessage.correlation, len(prefix) + 1), BigInteger).label("id")
    is_about = OutboxMessage.correlation.startswith(prefix)
    return union(*(select(number).where(is_about, state) for state in (HAS_FAILED, IS_RETRYING)))


class Counts(NamedTuple):
    """How many messages are in each state; counting stops at the cap."""

    queued: int
    retrying: int
    dead: int
    sent: int


def list_about(connection: Connection, correlation: str) -> list[MessageRow]:
    """Return the messages of one correlation, in the order they were enqueued."""
    return [_row(found) for found in connection.execute(_OF_CORRELATION, {"correlation": correlation})]


def find_message(connection: Connection, message_row_id: int) -> MessageRow | None:
    """Return one message, or None if there is none."""
    found = connection.execute(_ONE, {"id": message_row_id}).one_or_none()
    return None if found is None else _row(found)


def page(
    connection: Connection, deliveries: Iterable[Delivery], *, limit: int, before_id: int | None = None
) -> list[MessageRow]:
    """Return up to `limit` messages in any of these states, newest first, older than `before_id`.

    Each state is read from its own index: constant time, however many others there are.
    """
    asked = {"before_id": 2**62 if before_id is None else before_id, "limit": limit}
    found = [row for delivery in deliveries for row in connection.execute(_PAGE[delivery], asked)]
    return [_row(row) for row in sorted(found, key=lambda row: row.id, reverse=True)[:limit]]


def count_dead(connection: Connection, *, cap: int = COUNT_CAP) -> int:
    """Return the number of failed messages; counting stops at `cap`."""
    return connection.execute(_COUNT_DEAD, {"cap": cap}).scalar_one()


def count_dead_and_of_use(connection: Connection, *, cap: int = COUNT_CAP) -> int:
    """Return the number of failed messages that can be sent again; counting stops at `cap`."""
    return connection.execute(_COUNT_DEAD_AND_OF_USE, {"cap": cap, "now": utc_now()}).scalar_one()


def count_since(connection: Connection, *, correlation: str, kind: str, since: datetime) -> int:
    """Return how many messages of a kind and a correlation were enqueued after `since`."""
    asked = {"correlation": correlation, "kind": kind, "since": since}
    return connection.execute(_COUNT_SINCE, asked).scalar_one()


def counts(connection: Connection, *, cap: int = COUNT_CAP) -> Counts:
    """Return how many messages are in each state; counting stops at `cap`."""
    row = connection.execute(_COUNTS, {"cap": cap}).one()
    return Counts(row.queued, row.retrying, row.dead, row.sent)


def next_due(connection: Connection) -> str | None:
    """Return the stamp at which the next message comes due (it may be past), or None when none waits."""
    return connection.execute(_NEXT_DUE).scalar()


def next_look(connection: Connection) -> datetime | None:
    """Return when a worker has something to do next: at the next probe while mail is paused, else when one is due."""
    pause = find_pause(connection)
    if pause is not None:
        at: datetime = pause.probe_at
        return at
    due = next_due(connection)
    return from_stamp(due) if due else None


def oldest_waiting(connection: Connection) -> str | None:
    """Return the stamp at which the oldest message that still waits was enqueued, or None."""
    return min(connection.execute(_OLDEST).scalars(), default=None)


def _row(found: Iterable[Any]) -> MessageRow:
    row = MessageRow(*found)
    # A message without a recipient goes to the helpdesk, whoever that is when it is sent.
    return row if row.recipient else row._replace(recipient=settings().HELPDESK_EMAIL or "the helpdesk")

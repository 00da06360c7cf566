"""Write the state of messages as expressions, for statements about what the messages are about."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ScalarSelect,
    SQLColumnExpression,
    String,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    union,
)

from alma_leads.outbox.models import MessageState, OutboxMessage

# From good to bad.
DELIVERY_STATES = ("sent", "queued", "retrying", "dead")


def _has_state(state: MessageState) -> SQLColumnExpression[bool]:
    """Compare with the value itself, not a parameter: SQLite uses a partial index only when it sees the value."""
    return OutboxMessage.state == bindparam(None, state, literal_execute=True)


HAS_FAILED = _has_state(MessageState.DEAD)
IS_RETRYING = and_(_has_state(MessageState.QUEUED), OutboxMessage.attempts > literal(0, literal_execute=True))
_RANK = case((HAS_FAILED, 3), (IS_RETRYING, 2), (_has_state(MessageState.SENT), 0), else_=1)


def worst_delivery(subject: str, row_id: SQLColumnExpression[int]) -> ScalarSelect[Any]:
    """Return the worst state among the messages about a row, as a `Delivery`; NULL if there are none."""
    words = dict(enumerate(DELIVERY_STATES))
    return (
        select(case(words, value=func.max(_RANK)))
        .where(OutboxMessage.correlation == literal(f"{subject}:") + cast(row_id, String))
        .scalar_subquery()
    )


def troubled_ids(subject: str) -> Any:
    """Return the statement for the ids of the rows about which a message has failed or is tried again."""
    prefix = f"{subject}:"
    number = cast(func.substr(OutboxMessage.correlation, len(prefix) + 1), BigInteger).label("id")
    is_about = OutboxMessage.correlation.startswith(prefix)
    return union(*(select(number).where(is_about, state) for state in (HAS_FAILED, IS_RETRYING)))

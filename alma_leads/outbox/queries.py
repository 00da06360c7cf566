"""What is asked about the outbox: states, counts, lists. Reads only, and never a body."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from alma_leads.database.base import from_stamp, to_stamp, utc_now
from alma_leads.database.raw import Sql, id_list, sql_in
from alma_leads.extensions import settings
from alma_leads.outbox.pause_service import find_pause

COUNT_CAP = 1000

Delivery = Literal["queued", "retrying", "dead", "sent"]

# As in the partial indexes of `OutboxMessage`, word for word.
_CONDITIONS: dict[Delivery, str] = {
    "queued": "state = 'queued' AND attempts = 0",
    "retrying": "state = 'queued' AND attempts > 0",
    "dead": "state = 'dead'",
    "sent": "state = 'sent'",
}
_BY_RANK: tuple[Delivery, ...] = ("sent", "queued", "retrying", "dead")

_ROW = """
    SELECT id, kind, correlation, recipient, subject, state, attempts, due_at, last_error, created_at, settled_at,
        expires_at, language, CAST(facts AS text)
      FROM outbox_messages
"""
_PAGE = {
    delivery: Sql(f"{_ROW} WHERE {condition} AND id < :before_id ORDER BY id DESC LIMIT :limit")
    for delivery, condition in _CONDITIONS.items()
}
_ONE = Sql(f"{_ROW} WHERE id = :id")
_OF_CORRELATION = Sql(f"{_ROW} WHERE correlation = :correlation ORDER BY id")

# The messages that no server has taken though one was asked, by correlation; and each such correlation once.
_RETRYING, _DEAD = (
    f"SELECT correlation FROM outbox_messages WHERE {condition}"
    for condition in (_CONDITIONS["retrying"], _CONDITIONS["dead"])
)
TROUBLED_MESSAGES = f"{_RETRYING} UNION ALL {_DEAD}"
TROUBLED = f"{_RETRYING} UNION {_DEAD}"
TROUBLED_STATE = f"{_CONDITIONS['dead']} OR {_CONDITIONS['retrying']}"

_RANK = "CASE WHEN state = 'dead' THEN 3 WHEN state = 'sent' THEN 0 WHEN attempts > 0 THEN 2 ELSE 1 END"
_STATES = sql_in(
    f"SELECT correlation, max({_RANK}) FROM outbox_messages WHERE correlation IN :ids GROUP BY correlation"
)

_CAPPED = "SELECT count(*) FROM (SELECT 1 FROM outbox_messages WHERE {} LIMIT :cap) AS capped"
_COUNT_DEAD = Sql(_CAPPED.format(_CONDITIONS["dead"]))
_COUNT_DEAD_AND_OF_USE = Sql(
    _CAPPED.format(f"{_CONDITIONS['dead']} AND (expires_at IS NULL OR expires_at > :now)"),
)
_COUNT_SINCE = Sql("""
    SELECT count(*) FROM outbox_messages WHERE correlation = :correlation AND kind = :kind AND created_at > :since
""")
_COUNTS = Sql("SELECT " + ", ".join(f"({_CAPPED.format(condition)})" for condition in _CONDITIONS.values()))

_NEXT_DUE = Sql("SELECT due_at FROM outbox_messages WHERE state = 'queued' ORDER BY due_at, id LIMIT 1")
_FIRST = "SELECT created_at FROM (SELECT created_at FROM outbox_messages WHERE {} ORDER BY id LIMIT 1) AS first"
_OLDEST = Sql(" UNION ALL ".join(_FIRST.format(_CONDITIONS[delivery]) for delivery in ("queued", "retrying")))


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
    facts: str | None

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


class Counts(NamedTuple):
    """How many messages are in each state; counting stops at the cap."""

    queued: int
    retrying: int
    dead: int
    sent: int


def states_of(connection: Connection, correlations: Iterable[str]) -> dict[str, Delivery]:
    """Return the worst state among the messages of each correlation; those without messages are left out.

    From bad to good: dead, retrying, queued, sent.
    """
    wanted = list(correlations)
    if not wanted:
        return {}
    rows = _STATES.rows(connection, ids=id_list(connection, wanted))
    return {correlation: _BY_RANK[rank] for correlation, rank in rows}


def of_correlation(connection: Connection, correlation: str) -> list[MessageRow]:
    """Return the messages of one correlation, in the order they were promised."""
    return [_row(found) for found in _OF_CORRELATION.rows(connection, correlation=correlation)]


def message(connection: Connection, message_row_id: int) -> MessageRow | None:
    """Return one message."""
    found = _ONE.row(connection, id=message_row_id)
    return None if found is None else _row(found)


def page(
    connection: Connection, deliveries: Iterable[Delivery], *, limit: int, before_id: int | None = None
) -> list[MessageRow]:
    """Return up to `limit` messages in any of these states, newest first, older than `before_id`.

    Each state is read from its own index: constant time, however many others there are.
    """
    bound = 2**62 if before_id is None else before_id
    found = [row for delivery in deliveries for row in _PAGE[delivery].rows(connection, before_id=bound, limit=limit)]
    return [_row(row) for row in sorted(found, key=lambda row: row[0], reverse=True)[:limit]]


def count_dead(connection: Connection, *, cap: int = COUNT_CAP) -> int:
    """Return the number of dead letters; counting stops at `cap`."""
    row = _COUNT_DEAD.row(connection, cap=cap)
    return 0 if row is None else row[0]


def count_dead_and_of_use(connection: Connection, *, cap: int = COUNT_CAP) -> int:
    """Return the number of dead letters that can be sent again; counting stops at `cap`."""
    row = _COUNT_DEAD_AND_OF_USE.row(connection, cap=cap, now=to_stamp(utc_now()))
    return 0 if row is None else row[0]


def count_since(connection: Connection, *, correlation: str, kind: str, since: str) -> int:
    """Return how many messages of a kind and a correlation were promised since the stamp `since`."""
    count: int = _COUNT_SINCE.rows(connection, correlation=correlation, kind=kind, since=since)[0][0]
    return count


def counts(connection: Connection, *, cap: int = COUNT_CAP) -> Counts:
    """Return how many messages are in each state; counting stops at `cap`."""
    row = _COUNTS.row(connection, cap=cap)
    assert row is not None
    return Counts(*row)


def next_due(connection: Connection) -> str | None:
    """Return the stamp at which the next message comes due (it may be past), or None when none waits."""
    row = _NEXT_DUE.row(connection)
    return None if row is None else row[0]


def next_look(connection: Connection) -> datetime | None:
    """Return when a worker has something to do next: at the next probe while mail is paused, else when one is due."""
    pause = find_pause(connection)
    if pause is not None:
        at: datetime = pause.probe_at
        return at
    due = next_due(connection)
    return from_stamp(due) if due else None


def oldest_waiting(connection: Connection) -> str | None:
    """Return the stamp at which the oldest message that still waits was promised, or None."""
    return min((row[0] for row in _OLDEST.rows(connection)), default=None)


def _row(found: tuple[object, ...]) -> MessageRow:
    row = MessageRow(*found)  # type: ignore[arg-type]
    # A message without a recipient goes to the helpdesk, whoever that is when it is sent.
    return row if row.recipient else row._replace(recipient=settings().HELPDESK_EMAIL or "the helpdesk")

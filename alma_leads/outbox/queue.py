"""The life of an outbox row: enqueued, claimed by lease, settled, sent again.

The only module of this package that writes and commits. It opens no connection to a mail server.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import from_stamp, to_stamp, utc_now
from alma_leads.database.raw import Sql, Step, id_list, run_together, sql_in
from alma_leads.database.transactions import transaction_on
from alma_leads.outbox.message import Message

WORDS_LENGTH = 1000

_CLAIMED = "id, message_id, recipient, sender_name, reply_to, subject, text_body, html_body, attempts, expires_at"
_DUE = "SELECT id FROM outbox_messages WHERE state = 'queued' AND due_at <= :now ORDER BY due_at, id LIMIT :limit"
# PostgreSQL may run a plain subquery again and then lock more rows than the limit; a materialised one runs once.
_CLAIM = Sql(
    sqlite=f"UPDATE outbox_messages SET lease = :lease, due_at = :until WHERE id IN ({_DUE}) RETURNING {_CLAIMED}",
    postgresql=f"""
        WITH due (due_id) AS MATERIALIZED ({_DUE} FOR UPDATE SKIP LOCKED)
        UPDATE outbox_messages SET lease = :lease, due_at = :until FROM due WHERE id = due_id
        RETURNING {_CLAIMED}
    """,
)
_HELD = "state = 'queued' AND lease = :lease AND id"
_EXTEND = sql_in(f"UPDATE outbox_messages SET due_at = :until WHERE {_HELD} IN :ids")
_RELEASE = sql_in(f"UPDATE outbox_messages SET due_at = :now, lease = NULL WHERE {_HELD} IN :ids")
_SENT = Sql(f"""
    UPDATE outbox_messages SET state = 'sent', attempts = attempts + 1, lease = NULL, last_error = NULL,
           settled_at = :now, text_body = '', html_body = ''
     WHERE {_HELD} = :id
""")
_LATER = Sql(f"""
    UPDATE outbox_messages SET attempts = attempts + 1, lease = NULL, last_error = :words, due_at = :due
     WHERE {_HELD} = :id
""")
_DEAD = Sql(f"""
    UPDATE outbox_messages SET state = 'dead', attempts = attempts + 1, lease = NULL, last_error = :words,
           settled_at = :now
     WHERE {_HELD} = :id
""")
_REVIVED = "state = 'queued', attempts = 0, due_at = :now, lease = NULL, last_error = NULL, settled_at = NULL"
_DEAD_AND_OF_USE = "state = 'dead' AND (expires_at IS NULL OR expires_at > :now)"
_REVIVE = Sql(
    f"UPDATE outbox_messages SET {_REVIVED} WHERE id = :id AND {_DEAD_AND_OF_USE} RETURNING kind, correlation"
)
_REVIVE_ALL = Sql(f"UPDATE outbox_messages SET {_REVIVED} WHERE {_DEAD_AND_OF_USE}")
# Not one that a worker holds: it is being sent this very moment, and a second worker would send it as well.
_HASTEN = Sql("""
    UPDATE outbox_messages SET due_at = :now
     WHERE id = :id AND state = 'queued' AND lease IS NULL AND due_at > :now
    RETURNING kind, correlation
""")
# Neither what is sent nor what a worker is sending.
_WITHDRAW = Sql("""
    DELETE FROM outbox_messages
     WHERE correlation = :correlation AND kind = :kind AND state <> 'sent' AND (lease IS NULL OR due_at <= :now)
""")
_CLOCK = Sql("SELECT now()")
# Losing this commit to a power cut costs a repeated e-mail, never a lost one: it need not wait for the disk.
_LOSABLE = Sql("SET LOCAL synchronous_commit TO OFF")


class Claimed(NamedTuple):
    """A message that this worker may send, in full. `attempts` counts those before this one."""

    id: int
    message_id: str
    recipient: str | None
    sender_name: str
    reply_to: str | None
    subject: str
    text: str
    html: str
    attempts: int
    expires_at: str | None


class Failure(NamedTuple):
    """A message that was not taken: the server's words, and seconds until the next attempt (None: dead letter)."""

    id: int
    words: str
    delay_s: float | None


def enqueue(connection: Connection, messages: Sequence[Message], *, now: str, message_id_domain: str) -> None:
    """Promise `messages`, in the caller's transaction, with one statement.

    Args:
        connection: in a transaction of the caller; nothing is committed here.
        messages: may be empty.
        now: stamp of the present moment.
        message_id_domain: right-hand side of each `Message-ID`, in ASCII.
    """
    if messages:
        run_together(connection, enqueuing(messages, now=now, message_id_domain=message_id_domain))


def enqueuing(messages: Sequence[Message], *, now: str, message_id_domain: str) -> Step:
    """Return the statement of `enqueue` for at least one message, for callers that run it together with others."""
    params: dict[str, str | None] = {"now": now}
    for index, message in enumerate(messages):
        params |= {
            f"message_id{index}": f"<{secrets.token_hex(16)}@{message_id_domain}>",
            f"kind{index}": message.kind,
            f"correlation{index}": message.correlation,
            f"recipient{index}": message.recipient,
            f"sender_name{index}": message.sender_name,
            f"reply_to{index}": message.reply_to,
            f"subject{index}": message.subject,
            f"text{index}": message.text,
            f"html{index}": message.html,
            f"expires_at{index}": to_stamp(message.expires_at) if message.expires_at else None,
        }
    return _insert(len(messages)), params


@lru_cache(maxsize=16)
def _insert(count: int) -> Sql:
    row = (
        "(:message_id{0}, :kind{0}, :correlation{0}, :recipient{0}, :sender_name{0}, :reply_to{0}, :subject{0},"
        " :text{0}, :html{0}, 'queued', 0, :now, :now, :expires_at{0})"
    )
    return Sql(
        "INSERT INTO outbox_messages (message_id, kind, correlation, recipient, sender_name, reply_to, subject,"
        " text_body, html_body, state, attempts, due_at, created_at, expires_at) VALUES "
        + ", ".join(row.format(index) for index in range(count))
    )


def withdraw(connection: Connection, *, correlation: str, kind: str) -> int:
    """Take back what was promised and has not been sent, in the caller's transaction; return how many that were.

    For messages that something newer has made wrong. One that is being sent this moment goes out all the same.
    """
    return _WITHDRAW.run(connection, correlation=correlation, kind=kind, now=_stamp(_now(connection)))


def claim(engine: Engine, lease: str, *, limit: int, lease_s: float) -> list[Claimed]:
    """Take up to `limit` due messages, longest due first; nobody else gets them for `lease_s` seconds."""
    with transaction_on(engine) as connection:
        now = _now(connection)
        rows = _CLAIM.rows(connection, lease=lease, now=_stamp(now), until=_stamp(now, lease_s), limit=limit)
    # RETURNING promises no order. Ids are given in the order of promising, which is fair enough within a batch.
    return sorted(Claimed(*row) for row in rows)


def extend(engine: Engine, lease: str, ids: Iterable[int], *, lease_s: float) -> int:
    """Hold what is still ours of `ids` for `lease_s` seconds more; return how many that are."""
    with transaction_on(engine) as connection:
        until = _stamp(_now(connection), lease_s)
        return _EXTEND.run(connection, lease=lease, until=until, ids=id_list(connection, ids))


def release(engine: Engine, lease: str, ids: Iterable[int]) -> int:
    """Give back at once what is still ours of `ids`, without counting an attempt; return how many that were."""
    with transaction_on(engine) as connection:
        return _RELEASE.run(connection, lease=lease, now=_stamp(_now(connection)), ids=id_list(connection, ids))


def settle_sent(engine: Engine, lease: str, message_row_id: int) -> bool:
    """Note that a server took the message, if it is still ours."""
    with transaction_on(engine) as connection:
        if connection.dialect.name == "postgresql":
            _LOSABLE.run(connection)
        return _SENT.run(connection, lease=lease, id=message_row_id, now=to_stamp(utc_now())) == 1


def settle_failed(engine: Engine, lease: str, failures: Iterable[Failure]) -> int:
    """Note what was not taken, each to be tried again later or a dead letter; return how many were still ours."""
    with transaction_on(engine) as connection:
        now = _now(connection)
        settled = 0
        for failure in failures:
            words = _printable(failure.words)
            if failure.delay_s is None:
                settled += _DEAD.run(connection, lease=lease, id=failure.id, words=words, now=_stamp(now))
            else:
                due = _stamp(now, failure.delay_s)
                settled += _LATER.run(connection, lease=lease, id=failure.id, words=words, due=due)
        return settled


def retry(engine: Engine, message_row_id: int, *, actor: Actor) -> bool:
    """Send a dead letter again, from its first attempt on, or try a waiting message now. `actor` wants it.

    Returns:
        False when there was nothing to do: it is sent, due already, in a worker's hands, too old, or there is none.
    """
    with transaction_on(engine) as connection:
        now = _stamp(_now(connection))
        for statement in (_REVIVE, _HASTEN):
            row = statement.row(connection, id=message_row_id, now=now)
            if row is not None:
                kind, correlation = row
                about = correlation.replace(":", " ")
                trail.record(
                    connection, Action.OUTBOX_RETRIED, actor=actor, subject=about, message=message_row_id, kind=kind
                )
                return True
        return False


def retry_dead(engine: Engine, *, actor: Actor) -> int:
    """Send every dead letter again that is not too old, as `actor` wants; return how many there were."""
    with transaction_on(engine) as connection:
        count = _REVIVE_ALL.run(connection, now=_stamp(_now(connection)))
        if count:
            trail.record(connection, Action.OUTBOX_RETRIED, actor=actor, subject="every dead letter", count=count)
        return count


def _now(connection: Connection) -> datetime:
    """Return the database's time where it has a clock: workers on several machines must agree when a lease ends."""
    if connection.dialect.name == "sqlite":
        return utc_now()
    row = _CLOCK.row(connection)
    assert row is not None
    return from_stamp(row[0])


def _stamp(now: datetime, after_s: float = 0.0) -> str:
    return to_stamp(now + timedelta(seconds=after_s))


def _printable(words: str) -> str:
    """Return a server's words as one line that any page, log and database can hold."""
    spaced = "".join(char if char.isprintable() else " " for char in words)
    return " ".join(spaced.split())[:WORDS_LENGTH]

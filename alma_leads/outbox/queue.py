"""The life of an outbox row: enqueued, claimed by lease, finished, sent again.

The only module of this package that writes and commits. It opens no connection to a mail server.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.orm import Session

from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import settings
from alma_leads.database.base import utc_now
from alma_leads.database.transactions import transaction_on
from alma_leads.outbox import statements
from alma_leads.outbox.message import NewMessage
from alma_leads.outbox.models import MessageState
from alma_leads.outbox.pause_service import probe_soon
from alma_leads.outbox.statements import changed, current_time
from alma_leads.outbox.words import printable


class Failure(NamedTuple):
    """A message that was not taken: the server's words, and seconds until the next attempt (None: it has failed)."""

    id: int
    words: str
    delay_s: float | None


def enqueue(connection: Connection | Session, *messages: NewMessage) -> None:
    """Put messages into the outbox, in the caller's transaction; nothing is committed here."""
    if messages:
        now, domain = utc_now(), message_id_domain(settings().PUBLIC_URL)
        connection.execute(statements.ENQUEUE, [_values(message, now, domain) for message in messages])


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


def withdraw(connection: Connection | Session, *, correlation: str, kind: str) -> int:
    """Delete what was enqueued and has not been sent, in the caller's transaction; return how many that were.

    For messages that something newer has made wrong. One that is being sent this moment goes out all the same.
    """
    there = connection.connection() if isinstance(connection, Session) else connection
    return changed(there, statements.WITHDRAW, correlation=correlation, kind=kind, now=current_time(there))


def claim(engine: Engine, lease: str, *, limit: int, lease_s: float) -> list[Row[Any]]:
    """Take up to `limit` due messages, longest due first; nobody else gets them for `lease_s` seconds."""
    with transaction_on(engine) as connection:
        now = current_time(connection)
        params = {"new_lease": lease, "now": now, "until": now + timedelta(seconds=lease_s), "limit": limit}
        rows: list[Row[Any]] = list(connection.execute(statements.CLAIM, params))
    # RETURNING promises no order. Ids are given in the order of enqueuing, which is fair enough within a batch.
    return sorted(rows, key=lambda row: row.id)


def extend(engine: Engine, lease: str, ids: Iterable[int], *, lease_s: float) -> int:
    """Hold what is still ours of `ids` for `lease_s` seconds more; return how many that are."""
    with transaction_on(engine) as connection:
        until = current_time(connection) + timedelta(seconds=lease_s)
        return changed(connection, statements.EXTEND, held_lease=lease, until=until, messages=list(ids))


def release(engine: Engine, lease: str, ids: Iterable[int]) -> int:
    """Give back at once what is still ours of `ids`, without counting an attempt; return how many that were."""
    with transaction_on(engine) as connection:
        return changed(
            connection, statements.RELEASE, held_lease=lease, now=current_time(connection), messages=list(ids)
        )


def settle_sent(engine: Engine, lease: str, message_id: int) -> bool:
    """Note that a server took the message, if it is still ours."""
    with transaction_on(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(statements.LOSABLE)
        return changed(connection, statements.SENT, held_lease=lease, message=message_id, now=utc_now()) == 1


def settle_failed(engine: Engine, lease: str, failures: Iterable[Failure]) -> int:
    """Note what was not taken, each to be tried again later or failed; return how many were still ours."""
    with transaction_on(engine) as connection:
        now = current_time(connection)
        settled = 0
        for failure in failures:
            params = {"held_lease": lease, "message": failure.id, "words": printable(failure.words)}
            if failure.delay_s is None:
                settled += changed(connection, statements.FAILED, **params, now=now)
            else:
                settled += changed(
                    connection, statements.RETRY_LATER, **params, due=now + timedelta(seconds=failure.delay_s)
                )
        return settled


def postpone(engine: Engine, lease: str, message_id: int, *, words: str, delay_s: float) -> None:
    """Give a message back without counting an attempt, to be tried in `delay_s` seconds. `words` say why."""
    with transaction_on(engine) as connection:
        due = current_time(connection) + timedelta(seconds=delay_s)
        changed(connection, statements.POSTPONED, held_lease=lease, message=message_id, words=printable(words), due=due)


def retry(engine: Engine, message_id: int, *, actor: Actor) -> bool:
    """Send a failed message again, from its first attempt on, or try a waiting message now, as `actor` wants.

    Returns:
        False when there was nothing to do: it is sent, due already, in a worker's hands, too old, or there is none.
    """
    with transaction_on(engine) as connection:
        params = {"message": message_id, "now": current_time(connection)}
        row = (
            connection.execute(statements.REVIVE, params).first()
            or connection.execute(statements.HASTEN, params).first()
        )
        if row is None:
            return False
        probe_soon(connection)
        about = row.correlation.replace(":", " ")
        trail.record(connection, Action.OUTBOX_RETRIED, actor=actor, subject=about, message=message_id, kind=row.kind)
        return True


def retry_failed(engine: Engine, *, actor: Actor) -> int:
    """Send every failed message again that is not too old, as `actor` wants; return how many there were."""
    with transaction_on(engine) as connection:
        count = changed(connection, statements.REVIVE_ALL, now=current_time(connection))
        if count:
            probe_soon(connection)
            trail.record(connection, Action.OUTBOX_RETRIED, actor=actor, subject="every dead letter", count=count)
        return count


def purge_secrets(session: Session) -> int:
    """Delete the facts of failed messages whose link has expired, in the caller's transaction."""
    connection = session.connection()
    return changed(connection, statements.PURGE, now=current_time(connection))

"""The rows behind `Idempotency-Key`: who holds a key, and which lead it made. Runs in its callers' transactions."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from alma_leads.database.base import to_stamp
from alma_leads.database.raw import Sql
from alma_leads.leads.core.errors import IdempotencyRunning

LIFETIME = timedelta(hours=24)
# A request that was killed blocks its key for this long; one that still runs loses it, and is told so.
LEASE = timedelta(seconds=30)

_RESERVE = Sql("""
    INSERT INTO idempotency_keys (key_hash, lease, lease_until, created_at)
    VALUES (:key_hash, :lease, :lease_until, :now)
    ON CONFLICT (key_hash) DO UPDATE
    SET lease = excluded.lease, lease_until = excluded.lease_until, created_at = excluded.created_at,
        request_hash = NULL, lead_id = NULL
    WHERE idempotency_keys.created_at < :day_ago
       OR (idempotency_keys.lead_id IS NULL AND idempotency_keys.lease_until < :now)
    RETURNING lease
""")
_FIND = Sql("SELECT request_hash, lead_id FROM idempotency_keys WHERE key_hash = :key_hash")
_KEPT = Sql("""
    SELECT 1 FROM idempotency_keys WHERE key_hash = :key_hash AND lead_id IS NOT NULL AND created_at >= :day_ago
""")
_COMPLETE = Sql("""
    UPDATE idempotency_keys SET request_hash = :request_hash, lead_id = :lead_id
    WHERE key_hash = :key_hash AND lease = :lease AND lead_id IS NULL
""")
_RELEASE = Sql("DELETE FROM idempotency_keys WHERE key_hash = :key_hash AND lease = :lease AND lead_id IS NULL")
_FORGET = Sql("DELETE FROM idempotency_keys WHERE created_at < :day_ago")


@dataclass(frozen=True, slots=True)
class Reservation:
    """A key that is ours while `lead_id` is None; otherwise one that already made that lead from `request_hash`."""

    key_hash: str
    lease: str
    request_hash: str | None = None
    lead_id: int | None = None


def key_hash(key: str, *, owner: str) -> str:
    """Return under what a key is kept: the same key of two owners never meets. A key holds no NUL."""
    return hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()


def kept(connection: Connection, key: str, *, owner: str, now: datetime) -> bool:
    """Say whether `key` has made a lead in its `LIFETIME`."""
    day_ago = to_stamp(now - LIFETIME)
    return _KEPT.row(connection, key_hash=key_hash(key, owner=owner), day_ago=day_ago) is not None


def reserve(connection: Connection, key: str, *, owner: str, now: datetime) -> Reservation:
    """Take `key`, or return what its first request made.

    Args:
        connection: in a transaction of the caller.
        key: as sent.
        owner: whose it is: an API key, or a network.
        now: the time.

    Raises:
        IdempotencyRunning: its first request still runs.
    """
    hashed = key_hash(key, owner=owner)
    lease = secrets.token_hex(16)
    ours = _RESERVE.row(
        connection,
        key_hash=hashed,
        lease=lease,
        lease_until=to_stamp(now + LEASE),
        now=to_stamp(now),
        day_ago=to_stamp(now - LIFETIME),
    )
    if ours is not None:
        return Reservation(hashed, lease)
    found = _FIND.row(connection, key_hash=hashed)
    if found is None or found[1] is None:
        raise IdempotencyRunning("The first request with this key still runs. Try again in a moment.")
    return Reservation(hashed, "", *found)


def complete(connection: Connection, reservation: Reservation, *, request_hash: str, lead_id: int) -> None:
    """Keep what the reserved key has made.

    Raises:
        IdempotencyRunning: the reservation ran out and another request has the key now.
    """
    params = {"key_hash": reservation.key_hash, "lease": reservation.lease}
    if _COMPLETE.run(connection, **params, request_hash=request_hash, lead_id=lead_id) == 0:
        raise IdempotencyRunning("The first request with this key still runs. Try again in a moment.")


def release(connection: Connection, reservation: Reservation) -> None:
    """Give a reserved key back, so that it may be used again."""
    _RELEASE.run(connection, key_hash=reservation.key_hash, lease=reservation.lease)


def forget(connection: Connection, *, now: datetime) -> int:
    """Delete the keys that are older than `LIFETIME` and return how many there were."""
    return _FORGET.run(connection, day_ago=to_stamp(now - LIFETIME))

"""The rows behind `Idempotency-Key`: who reserved a key, and the lead it created. Runs in its caller's transaction."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from alma_leads.database.upsert import insert
from alma_leads.leads.core.errors import IdempotencyRunning
from alma_leads.leads.intake.models import IdempotencyKey

LIFETIME = timedelta(hours=24)
# A request that was killed blocks its key for this long; one that takes longer loses its key and fails.
LEASE = timedelta(seconds=30)

_IS_OURS = and_(
    IdempotencyKey.key_hash == bindparam("hash"),
    IdempotencyKey.lease == bindparam("own_lease"),
    IdempotencyKey.lead_id.is_(None),
)
_NEW = insert(IdempotencyKey)
_RESERVE = _NEW.on_conflict_do_update(
    index_elements=[IdempotencyKey.key_hash],
    set_={
        "lease": _NEW.excluded.lease,
        "lease_until": _NEW.excluded.lease_until,
        "created_at": _NEW.excluded.created_at,
        "request_hash": None,
        "lead_id": None,
    },
    where=or_(
        IdempotencyKey.created_at < bindparam("day_ago"),
        and_(IdempotencyKey.lead_id.is_(None), IdempotencyKey.lease_until < _NEW.excluded.created_at),
    ),
).returning(IdempotencyKey.lease)
_FIND = select(IdempotencyKey.request_hash, IdempotencyKey.lead_id).where(IdempotencyKey.key_hash == bindparam("hash"))
_FIND_USED = _FIND.where(IdempotencyKey.lead_id.is_not(None), IdempotencyKey.created_at >= bindparam("day_ago"))
_COMPLETE = update(IdempotencyKey).where(_IS_OURS)
_COMPLETE = _COMPLETE.values(request_hash=bindparam("request"), lead_id=bindparam("lead"))
_RELEASE = delete(IdempotencyKey).where(_IS_OURS)
_PURGE = delete(IdempotencyKey).where(IdempotencyKey.created_at < bindparam("day_ago"))


@dataclass(frozen=True, slots=True)
class Reservation:
    """A key that is ours while `lead_id` is None; otherwise one that already created that lead from `request_hash`."""

    key_hash: str
    lease: str
    request_hash: str | None = None
    lead_id: int | None = None


def hash_key(key: str, *, owner: str) -> str:
    """Return the hash under which a key is stored: equal keys of two owners differ. A key holds no NUL."""
    return hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()


def is_used(session: Session, key: str, *, owner: str, now: datetime) -> bool:
    """Return whether `key` has created a lead within its `LIFETIME`."""
    used = {"hash": hash_key(key, owner=owner), "day_ago": now - LIFETIME}
    return session.connection().execute(_FIND_USED, used).first() is not None


def reserve(session: Session, key: str, *, owner: str, now: datetime) -> Reservation:
    """Reserve `key`, or return what its first request has created.

    Args:
        session: in a transaction of the caller.
        key: as sent.
        owner: whose it is: an API key, or a network.
        now: the time.

    Raises:
        IdempotencyRunning: its first request is still running.
    """
    hashed = hash_key(key, owner=owner)
    lease = secrets.token_hex(16)
    reserved = {
        "key_hash": hashed,
        "lease": lease,
        "lease_until": now + LEASE,
        "created_at": now,
        "day_ago": now - LIFETIME,
    }
    connection = session.connection()
    if connection.execute(_RESERVE, reserved).first() is not None:
        return Reservation(hashed, lease)
    found = connection.execute(_FIND, {"hash": hashed}).first()
    if found is None or found.lead_id is None:
        raise IdempotencyRunning("The first request with this key is still running. Try again in a moment.")
    return Reservation(hashed, "", found.request_hash, found.lead_id)


def complete(session: Session, reservation: Reservation, *, request_hash: str, lead_id: int) -> None:
    """Store what the reserved key has created.

    Raises:
        IdempotencyRunning: the reservation expired and another request has the key now.
    """
    completed = {**_ours(reservation), "request": request_hash, "lead": lead_id}
    if session.connection().execute(_COMPLETE, completed).rowcount == 0:
        raise IdempotencyRunning("The first request with this key is still running. Try again in a moment.")


def release(session: Session, reservation: Reservation) -> None:
    """Release a reserved key, so that it can be used again."""
    session.connection().execute(_RELEASE, _ours(reservation))


def purge_expired_keys(session: Session, *, now: datetime) -> int:
    """Delete the keys that are older than `LIFETIME`, and return how many there were."""
    return session.connection().execute(_PURGE, {"day_ago": now - LIFETIME}).rowcount


def _ours(reservation: Reservation) -> dict[str, str]:
    return {"hash": reservation.key_hash, "own_lease": reservation.lease}

"""Use cases of API keys: used by a script, made, listed, revoked. Each is one transaction."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from alma_leads.accounts.api_keys import keys
from alma_leads.accounts.api_keys.keys import KeyRow
from alma_leads.accounts.api_keys.networks import is_within
from alma_leads.accounts.core.errors import KeyElsewhere
from alma_leads.accounts.core.permissions import STATIC_KEY_PERMISSIONS, Permission, Scope, of_scopes
from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db, settings

TOUCH_EVERY = timedelta(minutes=1)


class KeyHolder(NamedTuple):
    """The script that a key stands for, and what it may do."""

    actor: Actor
    permissions: frozenset[Permission]


class NewKey(NamedTuple):
    """A key that was just made: the only time that its `secret` is there to be seen."""

    id: int
    secret: str


def use_key(key: str, *, address: str) -> KeyHolder | None:
    """Return whose key this is while it works, noting now and then that it was used.

    None means that it is wrong, has ended or was revoked: whoever sent it is not told which.

    Args:
        key: as sent.
        address: network address of the script.

    Raises:
        KeyElsewhere: the key works, but not from this address.
    """
    if _is_static_key(key):
        return KeyHolder(Actor("key", None, keys.STATIC_NAME, address), STATIC_KEY_PERMISSIONS)
    if not keys.looks_like_one(key):
        return None
    now = utc_now()
    with reading(db.engine) as connection:
        found = keys.working(connection, key, now=now)
    if found is None:
        return None
    if not is_within(address, found.networks):
        raise KeyElsewhere(address)
    before = to_stamp(now - TOUCH_EVERY)
    if found.last_used_at is None or found.last_used_at < before:
        with transaction_on(db.engine) as connection:
            keys.touch(connection, found.id, before=before, now=now)
    return KeyHolder(Actor("key", found.id, _named(found.name), address), of_scopes(map(Scope, found.scopes.split())))


def make_key(
    name: str, *, scopes: Iterable[str], networks: Iterable[str], expires_at: datetime | None, actor: Actor
) -> NewKey:
    """Make a key. Its secret is returned, and kept nowhere.

    Raises:
        KeyRefused: something about it cannot be, or the name is taken.
    """
    now = utc_now()
    wanted = keys.wish(name, scopes=scopes, networks=networks, expires_at=expires_at, now=now)
    secret = keys.new_secret()
    with transaction_on(db.engine) as connection:
        key_id = keys.insert(connection, wanted, secret=secret, by=actor.name, now=now)
        trail.record(
            connection,
            Action.KEY_CREATED,
            actor=actor,
            subject=_named(wanted.name),
            key=key_id,
            scopes=wanted.scopes,
            networks=wanted.networks,
            expires_at=None if expires_at is None else to_stamp(expires_at),
        )
    return NewKey(key_id, secret)


def list_keys() -> list[KeyRow]:
    """Return every key there ever was: those that work first."""
    with reading(db.engine) as connection:
        return keys.all_keys(connection, now=utc_now())


def find_key(key_id: int) -> KeyRow:
    """Return one key.

    Raises:
        KeyNotFound: there is none.
    """
    with reading(db.engine) as connection:
        return keys.by_id(connection, key_id, now=utc_now())


def find_key_id(name: str) -> int:
    """Return the number of the key with this name that is not revoked.

    Raises:
        KeyNotFound: there is none.
    """
    with reading(db.engine) as connection:
        return keys.id_of(connection, name)


def revoke_key(key_id: int, *, actor: Actor) -> bool:
    """Revoke a key: its next request is refused. Say whether it was this call that did it."""
    with transaction_on(db.engine) as connection:
        name = keys.revoke(connection, key_id, by=actor.name, now=utc_now())
        if name is not None:
            trail.record(connection, Action.KEY_REVOKED, actor=actor, subject=_named(name), key=key_id)
    return name is not None


def _named(name: str) -> str:
    """Return how a key is called in logs and timelines."""
    return f"script: {name}"


def _is_static_key(key: str) -> bool:
    expected = settings().INTERNAL_API_KEY.get_secret_value()
    return hmac.compare_digest(key.encode("utf-8", "surrogateescape"), expected.encode())

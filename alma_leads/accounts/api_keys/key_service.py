"""Use cases of API keys: used by a script, created, listed, revoked. Each is one transaction."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from alma_leads.accounts.api_keys import keys
from alma_leads.accounts.api_keys.networks import is_within
from alma_leads.accounts.core.errors import KeyNotAllowedFromAddress
from alma_leads.accounts.core.models import ApiKey
from alma_leads.accounts.core.permissions import STATIC_KEY_PERMISSIONS, Permission, Scope, of_scopes
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db, settings
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.session import transaction

TOUCH_EVERY = timedelta(minutes=1)


def use_key(secret: str, *, address: str) -> tuple[Actor, frozenset[Permission]] | None:
    """Return the script that an active key stands for and what it may do, recording now and then that it was used.

    None means that the key is wrong, expired or revoked: whoever sent it is not told which.

    Args:
        secret: as sent.
        address: network address of the script.

    Raises:
        KeyNotAllowedFromAddress: the key is active, but not from this address.
    """
    if _is_static_key(secret):
        return Actor("key", None, keys.STATIC_NAME, address), STATIC_KEY_PERMISSIONS
    if not keys.is_well_formed(secret):
        return None
    now = utc_now()
    key = keys.find_active(db.session(), secret, now=now)
    if key is None:
        return None
    if not is_within(address, key.networks):
        raise KeyNotAllowedFromAddress(address)
    before = now - TOUCH_EVERY
    if key.last_used_at is None or key.last_used_at < before:
        with transaction() as session:
            keys.touch(session, key.id, before=before, now=now)
    return Actor("key", key.id, f"script: {key.name}", address), of_scopes(map(Scope, key.scopes.split()))


def create_key(
    name: str, *, scopes: Iterable[str], networks: Iterable[str], expires_at: datetime | None, actor: Actor
) -> tuple[ApiKey, str]:
    """Create a key, and return it with its secret, which is stored nowhere.

    Raises:
        KeyRefused: something about it is wrong, or the name is taken.
    """
    now = utc_now()
    new = keys.validate(name, scopes=scopes, networks=networks, expires_at=expires_at, now=now)
    secret = keys.new_secret()
    with transaction() as session:
        key = keys.create_key(session, new, secret=secret, by=actor.name, now=now)
        trail.record(
            session,
            Action.KEY_CREATED,
            actor=actor,
            subject=key.label,
            key=key.id,
            scopes=new.scopes,
            networks=new.networks,
            expires_at=None if expires_at is None else to_stamp(expires_at),
        )
    return key, secret


def list_keys() -> Sequence[ApiKey]:
    """Return every key there ever was: active ones first."""
    return keys.list_keys(db.session(), now=utc_now())


def get_key(key_id: int) -> ApiKey:
    """Return a key.

    Raises:
        KeyNotFound: there is none.
    """
    return keys.get_key(db.session(), key_id)


def get_key_by_name(name: str) -> ApiKey:
    """Return the key with this name that is not revoked.

    Raises:
        KeyNotFound: there is none.
    """
    return keys.get_key_by_name(db.session(), name)


def revoke_key(key_id: int, *, actor: Actor) -> bool:
    """Revoke a key: its next request is refused. Return whether this call did it."""
    with transaction() as session:
        key = keys.revoke(session, key_id, by=actor.name, now=utc_now())
        if key is not None:
            trail.record(session, Action.KEY_REVOKED, actor=actor, subject=key.label, key=key_id)
    return key is not None


def _is_static_key(secret: str) -> bool:
    expected = settings().INTERNAL_API_KEY.get_secret_value()
    return hmac.compare_digest(secret.encode("utf-8", "surrogateescape"), expected.encode())

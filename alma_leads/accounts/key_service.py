"""Use cases of API keys: used by a script, made, listed, revoked. Each is one transaction."""

from __future__ import annotations

import hmac
from typing import NamedTuple

from alma_leads.accounts.permissions import STATIC_KEY_PERMISSIONS, Permission
from alma_leads.actor import Actor
from alma_leads.extensions import settings


class KeyHolder(NamedTuple):
    """The script that a key stands for, and what it may do."""

    actor: Actor
    permissions: frozenset[Permission]


def use_key(key: str, *, address: str) -> KeyHolder | None:
    """Return whose key this is while it works, or None: wrong, expired, revoked and elsewhere look the same.

    Args:
        key: as sent.
        address: network address of the script.
    """
    if _is_static_key(key):
        return KeyHolder(Actor("key", None, "INTERNAL_API_KEY", address), STATIC_KEY_PERMISSIONS)
    return None


def _is_static_key(key: str) -> bool:
    expected = settings().INTERNAL_API_KEY.get_secret_value()
    return hmac.compare_digest(key.encode("utf-8", "surrogateescape"), expected.encode())

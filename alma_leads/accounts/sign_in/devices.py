"""Browsers that have signed in before: a signed cookie gives each its own count of failures (OWASP device cookies).

Without it, a stranger who knows an address could keep its owner out by failing five times every 15 minutes. The cookie
grants nothing else, and outlives sign-out and a change of password. It holds a random number for the browser and, for
each account, a keyed hash that nobody can turn back into an address.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer

from alma_leads.common.extensions import settings
from alma_leads.common.secret_key import keyed_hash

LIFETIME = timedelta(days=180)
MOST_ACCOUNTS = 8  # of one browser, so that the cookie stays small
_LONGEST = 2048

# The browser's number, and for each account: its mark, and when it last signed in (seconds since 1970).
Device = tuple[str, dict[str, int]]


def remember(cookie: str, account: str, *, now: datetime) -> str:
    """Return the cookie of a browser in which the owner of `account` has just signed in.

    Args:
        cookie: the one that the browser had, or "".
        account: as `throttle.account_key` returns it.
        now: the time.
    """
    number, accounts = _read(cookie, now=now) or (secrets.token_hex(16), {})
    accounts[_mark(number, account)] = int(now.timestamp())
    newest = sorted(accounts.items(), key=lambda each: each[1])[-MOST_ACCOUNTS:]
    text = _signer().dumps([number, dict(newest)])
    return text if isinstance(text, str) else text.decode()


def count_apart(cookie: str, account: str, *, now: datetime) -> str | None:
    """Return how the failures of this browser at `account` are counted; None when its owner never signed in there."""
    found = _read(cookie, now=now)
    if found is None:
        return None
    number, accounts = found
    if _mark(number, account) not in accounts:
        return None
    return hashlib.sha256(f"device {number} {account}".encode()).hexdigest()


def _read(cookie: str, *, now: datetime) -> Device | None:
    if not cookie or len(cookie) > _LONGEST:
        return None
    try:
        number, accounts = _signer().loads(cookie)
    except BadSignature:
        return None
    oldest = (now - LIFETIME).timestamp()
    return number, {mark: at for mark, at in accounts.items() if at > oldest}


def _mark(number: str, account: str) -> str:
    return keyed_hash("account of a device", f"{number} {account}")


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(settings().SECRET_KEY.get_secret_value(), salt="device")

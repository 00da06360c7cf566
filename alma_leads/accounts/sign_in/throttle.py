"""Counting sign-ins that failed, per account and per address, in the database: a restart forgets none of them."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.accounts.core.errors import TooManyAttempts
from alma_leads.accounts.sign_in.devices import count_apart
from alma_leads.client_address import WIDE_TIMES, network_of, wide_network_of
from alma_leads.database.base import from_stamp, to_stamp
from alma_leads.database.raw import Sql
from alma_leads.email_address import MAX_LENGTH, BadEmailAddress, normalise_email

WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 5
PER_ADDRESS = 20

_INSERT = Sql("""
    INSERT INTO sign_in_attempts (account, address, wide_network, at) VALUES (:account, :address, :wide_network, :now)
    RETURNING id
""")
# The oldest attempt that still counts against the limit: when it leaves the window, one more is free.
_NTH_OF_ACCOUNT = Sql("""
    SELECT at FROM sign_in_attempts WHERE account = :who AND at > :since ORDER BY at DESC LIMIT 1 OFFSET :others
""")
_NTH_OF_ADDRESS = Sql("""
    SELECT at FROM sign_in_attempts WHERE address = :who AND at > :since ORDER BY at DESC LIMIT 1 OFFSET :others
""")
_NTH_OF_WIDE_NETWORK = Sql("""
    SELECT at FROM sign_in_attempts WHERE wide_network = :who AND at > :since ORDER BY at DESC LIMIT 1 OFFSET :others
""")
# SQLite has one writer at a time; on PostgreSQL guesses made at once would not see each other.
_STAND_IN_LINE = Sql(sqlite="SELECT 1", postgresql="LOCK TABLE sign_in_attempts IN SHARE ROW EXCLUSIVE MODE")
_CLEAR = Sql("DELETE FROM sign_in_attempts WHERE account = :account OR id = :id")
_FORGET = Sql("DELETE FROM sign_in_attempts WHERE at < :before")


def account_key(email: str) -> str:
    """Return how an account is counted: the same for addresses that exist and those that do not.

    One account has many spellings (full-width letters in the domain, Punycode): they are counted together.
    """
    try:
        account = normalise_email(email)
    except BadEmailAddress:
        account = email.strip()[:MAX_LENGTH].casefold()
    return hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()


class Counted(NamedTuple):
    """How the attempts at an account are counted. `apart`: those of a browser in which its owner has signed in."""

    account: str
    apart: bool


def counted(email: str, *, device: str, now: datetime) -> Counted:
    """Return how an attempt with this address in a browser with this device cookie ("" for none) is counted."""
    account = account_key(email)
    own = count_apart(device, account, now=now)
    return Counted(own or account, own is not None)


def begin(connection: Connection, *, account: str, address: str, now: datetime, apart: bool = False) -> int:
    """Count an attempt before its password is looked at, and return its number.

    Counting first means that guesses made at the same time cannot exceed the limit.

    Args:
        connection: of the caller's transaction.
        account: as `account_key` returns it.
        address: of the client.
        now: the time.
        apart: count the account's failures alone: whoever else is at this address cannot make this browser wait.

    Raises:
        TooManyAttempts: the limit is reached; this attempt is not counted.
    """
    since = to_stamp(now - WINDOW)
    network, wide = network_of(address), wide_network_of(address)
    _STAND_IN_LINE.run(connection)
    limits = [(_NTH_OF_ACCOUNT, account, PER_ACCOUNT)]
    if not apart:
        limits.append((_NTH_OF_ADDRESS, network, PER_ADDRESS))
    if wide and not apart:
        limits.append((_NTH_OF_WIDE_NETWORK, wide, PER_ADDRESS * WIDE_TIMES))
    for statement, who, limit in limits:
        row = statement.row(connection, who=who, since=since, others=limit - 1)
        if row is not None:
            raise TooManyAttempts(max(1, math.ceil((from_stamp(row[0]) + WINDOW - now).total_seconds())))
    row = _INSERT.row(connection, account=account, address=network, wide_network=wide or None, now=to_stamp(now))
    assert row is not None
    number: int = row[0]
    return number


def succeed(connection: Connection, number: int, *, account: str) -> None:
    """Forget this attempt, which was right, and the wrong ones of the same account."""
    _CLEAR.run(connection, id=number, account=account)


def forget_account(connection: Connection, account: str) -> None:
    """Forget the wrong attempts of an account whose owner has come in."""
    succeed(connection, 0, account=account)


def forget(connection: Connection, *, now: datetime) -> int:
    """Delete attempts that no longer count."""
    return _FORGET.run(connection, before=to_stamp(now - WINDOW))

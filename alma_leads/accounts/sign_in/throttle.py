"""Count failed sign-ins per account and per address, in the database: a restart loses none of them."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, or_, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core.errors import TooManyAttempts
from alma_leads.accounts.core.models import SignInAttempt
from alma_leads.accounts.sign_in.devices import count_apart
from alma_leads.common.client_address import WIDE_TIMES, network_of, wide_network_of
from alma_leads.common.email_address import MAX_LENGTH, BadEmailAddress, normalise_email
from alma_leads.database.locks import lock_table
from alma_leads.database.session import count_changed

WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 5
PER_ADDRESS = 20

# Which attempts are counted together.
_BY_ACCOUNT, _BY_ADDRESS, _BY_WIDE_NETWORK = (
    # The oldest attempt that still counts against the limit: when it leaves the window, one more is free.
    select(SignInAttempt.at)
    .where(column == bindparam("who"), SignInAttempt.at > bindparam("since"))
    .order_by(SignInAttempt.at.desc())
    .limit(1)
    .offset(bindparam("others"))
    for column in (SignInAttempt.account, SignInAttempt.address, SignInAttempt.wide_network)
)
_INSERT = insert(SignInAttempt).returning(SignInAttempt.id)


def account_key(email: str) -> str:
    """Return how an account is counted: the same for addresses that exist and those that do not.

    One account has many spellings (full-width letters in the domain, Punycode): they are counted together.
    """
    try:
        account = normalise_email(email)
    except BadEmailAddress:
        account = email.strip()[:MAX_LENGTH].casefold()
    return hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()


class Counter(NamedTuple):
    """How attempts at an account are counted. `is_apart`: those of a browser in which its owner has signed in."""

    account: str
    is_apart: bool


def counter_of(email: str, *, device: str, now: datetime) -> Counter:
    """Return how an attempt with this address in a browser with this device cookie ("" for none) is counted."""
    account = account_key(email)
    own = count_apart(device, account, now=now)
    return Counter(own or account, own is not None)


def count_attempt(session: Session, *, account: str, address: str, now: datetime, is_apart: bool = False) -> int:
    """Count an attempt before its password is checked, and return its id.

    Counting first means that guesses made at the same time cannot exceed the limit.

    Args:
        session: in a transaction of the caller.
        account: as `account_key` returns it.
        address: of the client.
        now: the time.
        is_apart: count the account's failures alone: others at this address cannot make this browser wait.

    Raises:
        TooManyAttempts: the limit is reached; this attempt is not counted.
    """
    network, wide_network = network_of(address), wide_network_of(address)
    lock_table(session, SignInAttempt)  # or guesses made at once would not see each other
    limits = [(_BY_ACCOUNT, account, PER_ACCOUNT)]
    if not is_apart:
        limits.append((_BY_ADDRESS, network, PER_ADDRESS))
    if wide_network and not is_apart:
        limits.append((_BY_WIDE_NETWORK, wide_network, PER_ADDRESS * WIDE_TIMES))
    for statement, who, limit in limits:
        at = session.scalar(statement, {"who": who, "since": now - WINDOW, "others": limit - 1})
        if at is not None:
            raise TooManyAttempts(max(1, math.ceil((at + WINDOW - now).total_seconds())))
    attempt = {"account": account, "address": network, "wide_network": wide_network or None, "at": now}
    return session.execute(_INSERT, attempt).scalar_one()


def clear_attempts(session: Session, attempt_id: int, *, account: str) -> None:
    """Delete an attempt that was right, and the wrong ones of the same account."""
    session.execute(delete(SignInAttempt).where(or_(SignInAttempt.account == account, SignInAttempt.id == attempt_id)))


def clear_account(session: Session, account: str) -> None:
    """Delete the wrong attempts of an account whose owner has signed in."""
    session.execute(delete(SignInAttempt).where(SignInAttempt.account == account))


def purge_expired_attempts(session: Session, *, now: datetime) -> int:
    """Delete attempts that no longer count, and return how many there were."""
    return count_changed(session, delete(SignInAttempt).where(SignInAttempt.at < now - WINDOW))

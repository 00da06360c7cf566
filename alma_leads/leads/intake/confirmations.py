"""How many confirmations a mailbox gets, and a client's network causes, in a day. Runs in its callers' transactions.

Each confirmation leaves a row for a day. It names nobody: mailbox and networks are keyed hashes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from alma_leads.client_address import WIDE_TIMES, network_of, wide_network_of
from alma_leads.database.base import to_stamp
from alma_leads.database.raw import Sql
from alma_leads.leads.conflicts.blocking_keys import mailbox
from alma_leads.secret_key import keyed_hash

WINDOW = timedelta(days=1)
PER_MAILBOX = 5
PER_NETWORK = 50

# The oldest that still counts against a limit, if the limit is reached.
_NTH = "SELECT 1 FROM confirmations WHERE {0} = :{0} AND at > :since ORDER BY at DESC LIMIT 1 OFFSET {1}"
_OF_MAILBOX = _NTH.format("mailbox", PER_MAILBOX - 1)
_OF_NETWORK = _NTH.format("network", PER_NETWORK - 1)
_OF_WIDE_NETWORK = _NTH.format("wide_network", PER_NETWORK * WIDE_TIMES - 1)
_FULL = Sql(f"SELECT EXISTS ({_OF_MAILBOX}), EXISTS ({_OF_NETWORK}) OR EXISTS ({_OF_WIDE_NETWORK})")
_TAKE_ONE = f"""
    INSERT INTO confirmations (mailbox, network, wide_network, at)
    SELECT CAST(:mailbox AS varchar), CAST(:network AS varchar), CAST(:wide_network AS varchar), {{now}}
    WHERE NOT EXISTS ({_OF_MAILBOX}) AND NOT EXISTS ({_OF_NETWORK}) AND NOT EXISTS ({_OF_WIDE_NETWORK})
    RETURNING id
"""
_TAKE = Sql(
    sqlite=_TAKE_ONE.format(now=":now"), postgresql=_TAKE_ONE.format(now="CAST(:now AS timestamp with time zone)")
)
_LOCK = Sql(postgresql="SELECT pg_advisory_xact_lock(hashtextextended(:who, 0))")
_FORGET = Sql("DELETE FROM confirmations WHERE at < :before")


class Limit(enum.StrEnum):
    """Whose limit is reached. The value is kept in the lead's event."""

    MAILBOX = "mailbox"
    NETWORK = "network"


LIMITS = {Limit.MAILBOX: PER_MAILBOX, Limit.NETWORK: PER_NETWORK}


@dataclass(frozen=True, slots=True)
class Counted:
    """For whom a confirmation counts, as keyed hashes. `network` is None for a submission with a key."""

    mailbox: str
    network: str | None
    wide_network: str | None


def counted_for(normalised_email: str, *, address: str | None) -> Counted:
    """Return for whom a confirmation counts.

    Args:
        normalised_email: the prospect's.
        address: of the client; None when it has an API key, so that its network does not count.
    """
    wide = wide_network_of(address or "")
    return Counted(
        keyed_hash("confirmations of a mailbox", mailbox(normalised_email)),
        None if address is None else keyed_hash("confirmations of a network", network_of(address)),
        keyed_hash("confirmations of a network", wide) if wide else None,
    )


def take(connection: Connection, who: Counted, *, now: datetime) -> Limit | None:
    """Count one confirmation. Return None, or the limit that is reached; then nothing is counted.

    The caller holds the mailbox, so that two submissions cannot both be its last (see `submission`).
    """
    params = {
        "mailbox": who.mailbox,
        "network": who.network,
        "wide_network": who.wide_network,
        "since": to_stamp(now - WINDOW),
    }
    if who.network and connection.dialect.name == "postgresql":
        # Only the submissions that still get a confirmation wait for each other; SQLite has one writer anyway.
        full = _full(connection, params)
        if full is not None:
            return full
        _LOCK.run(connection, who=who.wide_network or who.network)
    if _TAKE.row(connection, now=to_stamp(now), **params) is not None:
        return None
    return _full(connection, params)


def forget(connection: Connection, *, now: datetime) -> int:
    """Delete what no longer counts, and return how many rows there were."""
    return _FORGET.run(connection, before=to_stamp(now - WINDOW))


def _full(connection: Connection, params: dict[str, str | None]) -> Limit | None:
    row = _FULL.row(connection, **params)
    assert row is not None
    of_mailbox, of_network = row
    return Limit.MAILBOX if of_mailbox else Limit.NETWORK if of_network else None

"""Limits of confirmations a day, for a mailbox and for a client's network. Runs in its callers' transactions.

Each confirmation leaves a row for a day. It names nobody: mailbox and networks are keyed hashes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Exists, bindparam, delete, insert, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from alma_leads.common.client_address import WIDE_TIMES, network_of, wide_network_of
from alma_leads.common.secret_key import keyed_hash
from alma_leads.database.functions import has_one_writer, lock_name
from alma_leads.leads.conflicts.blocking_keys import mailbox
from alma_leads.leads.intake.models import Confirmation

WINDOW = timedelta(days=1)
PER_MAILBOX = 5
PER_NETWORK = 50


class Limit(enum.StrEnum):
    """Which limit is reached. The value is stored in the lead's event."""

    MAILBOX = "mailbox"
    NETWORK = "network"


LIMITS = {Limit.MAILBOX: PER_MAILBOX, Limit.NETWORK: PER_NETWORK}


def _has_had(column: InstrumentedAttribute[Any], number: int) -> Exists:
    """Return whether there were `number` confirmations for the value of the parameter named like the column."""
    # The oldest that counts is looked up in an index by mailbox or network and time, not counted up to.
    had = select(Confirmation.id).where(column == bindparam(f"of_{column.key}"), Confirmation.at > bindparam("since"))
    return had.order_by(Confirmation.at.desc()).limit(1).offset(number - 1).exists()


_MAILBOX_IS_FULL = _has_had(Confirmation.mailbox, PER_MAILBOX)
_NETWORK_IS_FULL = or_(
    _has_had(Confirmation.network, PER_NETWORK), _has_had(Confirmation.wide_network, PER_NETWORK * WIDE_TIMES)
)
_FIND_FULL = select(_MAILBOX_IS_FULL.label("mailbox"), _NETWORK_IS_FULL.label("network"))
_NEW = {
    Confirmation.mailbox: bindparam("of_mailbox", type_=Confirmation.mailbox.type),
    Confirmation.network: bindparam("of_network", type_=Confirmation.network.type),
    Confirmation.wide_network: bindparam("of_wide_network", type_=Confirmation.wide_network.type),
    Confirmation.at: bindparam("now", type_=Confirmation.at.type),
}
_COUNT = (
    insert(Confirmation)
    .from_select(list(_NEW), select(*_NEW.values()).where(~_MAILBOX_IS_FULL, ~_NETWORK_IS_FULL))
    .returning(literal(1))
)
_PURGE = delete(Confirmation).where(Confirmation.at < bindparam("before"))


@dataclass(frozen=True, slots=True)
class Quota:
    """Whose confirmations count, as keyed hashes. `network` is None for a submission with a key."""

    mailbox: str
    network: str | None
    wide_network: str | None


def quota_of(normalised_email: str, *, address: str | None) -> Quota:
    """Return whose limits a confirmation counts against.

    Args:
        normalised_email: the prospect's.
        address: of the client; None when it has an API key, so that its network does not count.
    """
    wide = wide_network_of(address or "")
    return Quota(
        keyed_hash("confirmations of a mailbox", mailbox(normalised_email)),
        None if address is None else keyed_hash("confirmations of a network", network_of(address)),
        keyed_hash("confirmations of a network", wide) if wide else None,
    )


def count_confirmation(connection: Connection, quota: Quota, *, now: datetime) -> Limit | None:
    """Count one confirmation. Return None, or the limit that is reached; then nothing is counted.

    The caller has locked the mailbox, so that two submissions cannot both be its last (see `submission`).
    """
    params = {
        "of_mailbox": quota.mailbox,
        "of_network": quota.network,
        "of_wide_network": quota.wide_network,
        "since": now - WINDOW,
        "now": now,
    }
    network = quota.wide_network or quota.network
    if network and not has_one_writer(connection):
        full = _find_full(connection, params)
        if full is not None:  # before the lock: only submissions that still get a confirmation wait for each other
            return full
        lock_name(connection, network)
    if connection.execute(_COUNT, params).first() is not None:
        return None
    return _find_full(connection, params)


def purge_expired_confirmations(session: Session, *, now: datetime) -> int:
    """Delete what no longer counts, and return how many rows there were."""
    return session.connection().execute(_PURGE, {"before": now - WINDOW}).rowcount


def _find_full(connection: Connection, params: dict[str, Any]) -> Limit | None:
    full = connection.execute(_FIND_FULL, params).one()
    return Limit.MAILBOX if full.mailbox else Limit.NETWORK if full.network else None

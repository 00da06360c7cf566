"""Tables of submissions: idempotency keys, and counts of confirmations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, UtcDateTime, index_where_given


class IdempotencyKey(Base):
    """A script's `Idempotency-Key`. Without `lead_id` its first request still runs, until `lease_until`."""

    __tablename__ = "idempotency_keys"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    lease: Mapped[str] = mapped_column(String(32))
    lease_until: Mapped[datetime] = mapped_column(UtcDateTime)
    request_hash: Mapped[str | None] = mapped_column(String(64))
    lead_id: Mapped[Id | None] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Confirmation(Base):
    """A confirmation of the last day, as it counts for limits: keyed hashes of the mailbox and the client's networks.

    `network` is empty for a submission with an API key, `wide_network` for a client with an IPv4 address.
    """

    __tablename__ = "confirmations"

    id: Mapped[Id] = mapped_column(primary_key=True)
    mailbox: Mapped[str] = mapped_column(String(32))
    network: Mapped[str | None] = mapped_column(String(32))
    wide_network: Mapped[str | None] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)

    __table_args__ = (
        Index("ix_confirmations_mailbox_at", "mailbox", "at"),
        index_where_given("ix_confirmations_network_at", "network", "at"),
        index_where_given("ix_confirmations_wide_network_at", "wide_network", "at"),
    )

"""Tables of the business: prospects, their leads, and what happened to each lead."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database import Base, UtcDateTime, text_enum
from alma_leads.leads.source import Source
from alma_leads.leads.state import LeadStatus


class Prospect(Base):
    """A person outside, known by a normalised e-mail address. May have an attorney before the first lead."""

    __tablename__ = "prospects"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    attorney_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    assigned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lead_count: Mapped[int] = mapped_column(default=0)


class Lead(Base):
    """One submission by a prospect. Only its status and its attorney ever change.

    `attorney_id` mirrors the prospect's, so that a list by attorney walks one index. `search_text` and
    `last_name_key` are folded (see `leads.folding`); on SQLite triggers keep `search_text` in the trigram index.
    `reached_out_by` is the name at the time, for the list. `source` is empty for leads older than the column;
    `source_key_id` is the row of the script's key, and empty for INTERNAL_API_KEY, which has none.
    """

    __tablename__ = "leads"

    id: Mapped[int] = mapped_column(primary_key=True)
    prospect_id: Mapped[int] = mapped_column(ForeignKey("prospects.id"))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(254))
    resume_url: Mapped[str | None] = mapped_column(String(2048))
    status: Mapped[LeadStatus] = mapped_column(text_enum(LeadStatus, name="status", length=20))
    attorney_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    content_hash: Mapped[str] = mapped_column(String(64))
    confirmation_queued: Mapped[bool]
    search_text: Mapped[str] = mapped_column(Text)
    last_name_key: Mapped[str] = mapped_column(String(400).with_variant(String(400, collation="C"), "postgresql"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reached_out_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reached_out_by: Mapped[str | None] = mapped_column(String(200))
    source: Mapped[Source | None] = mapped_column(text_enum(Source, name="source", length=10))
    source_key_id: Mapped[int | None]

    __table_args__ = (
        CheckConstraint("(status = 'REACHED_OUT') = (reached_out_at IS NOT NULL)", name="reached_out_at"),
        Index("ix_leads_created_at_id", "created_at", "id"),
        Index("ix_leads_updated_at_id", "updated_at", "id"),
        Index("ix_leads_last_name_key_id", "last_name_key", "id"),
        Index("ix_leads_status_created_at_id", "status", "created_at", "id"),
        Index("ix_leads_attorney_id_created_at_id", "attorney_id", "created_at", "id"),
        Index("ix_leads_attorney_id_status_created_at_id", "attorney_id", "status", "created_at", "id"),
        Index("ix_leads_prospect_id_id", "prospect_id", "id"),
    )


class LeadEvent(Base):
    """Something that happened to a lead: who, what, when, old and new. Only ever added to.

    `data` is a JSON object. A prospect's network address is not kept.
    """

    __tablename__ = "lead_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(40))
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[int | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    actor_address: Mapped[str | None] = mapped_column(String(45))
    data: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("actor_kind IN ('prospect', 'user', 'key', 'system')", name="actor_kind"),
        Index("ix_lead_events_lead_id_id", "lead_id", "id"),
    )


class IdempotencyKey(Base):
    """A script's `Idempotency-Key`. Without `lead_id` its first request still runs, until `lease_until`."""

    __tablename__ = "idempotency_keys"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    lease: Mapped[str] = mapped_column(String(32))
    lease_until: Mapped[datetime] = mapped_column(UtcDateTime)
    request_hash: Mapped[str | None] = mapped_column(String(64))
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)

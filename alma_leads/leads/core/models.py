"""Tables of the business: prospects, their leads, and what happened to each lead."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, bindparam, text
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, UtcDateTime, text_compared_by_byte, text_enum
from alma_leads.leads.core.source import Source
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.core.verdict import Verdict


def _pending_index(name: str, *columns: str, having: str = "") -> Index:
    """Return an index of pending leads only. A statement uses it when it says `status = 'PENDING'` in so many words.

    `status` stands among the columns all the same: without it SQLite would prefer the index by status.
    """
    where = text("status = 'PENDING'" + (f" AND {having}" if having else ""))
    return Index(name, *columns, postgresql_where=where, sqlite_where=where)


class Prospect(Base):
    """A person outside, known by a normalised e-mail address. May have an attorney before the first lead."""

    __tablename__ = "prospects"

    id: Mapped[Id] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    attorney_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id"), index=True)
    assigned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lead_count: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        Index(
            "ix_prospects_assigned",
            "email",
            postgresql_where=text("attorney_id IS NOT NULL"),
            sqlite_where=text("attorney_id IS NOT NULL"),
        ),
        Index(
            "ix_prospects_returning", "id", postgresql_where=text("lead_count > 1"), sqlite_where=text("lead_count > 1")
        ),
    )


# What an UPDATE of leads sets when somebody has acted: they need no reminder any more.
NO_MORE_REMINDERS = {"remind_at": None, "reminders": 2}


class Lead(Base):
    """One submission by a prospect. Only its status and its attorney ever change.

    `attorney_id` mirrors the prospect's, so that a list by attorney walks one index. `search_text` and
    `last_name_key` are folded (see `leads.folding`); on SQLite triggers keep `search_text` in the trigram index.
    `reached_out_by` is the name at the time, for the list. `source` is empty for leads older than the column;
    `source_key_id` is the row of the script's key, and empty for INTERNAL_API_KEY, which has none.

    `amber_at` and `due_at` are when the firm's target for a first contact comes near and is passed; there are none
    without a target. `contact_minutes` is the working time, rounded down, that passed until a lead was reached out to;
    NULL until it has been measured. All three hold for the settings of `clock_version`. `remind_at` is when the next
    reminder goes out, if one will; `reminders` how many have: 1 the attorney's, 2 the helpdesk's as well, or somebody
    has acted.

    `conflict` is the newest verdict of a conflict check, `conflict_by` the name at the time.
    """

    __tablename__ = "leads"

    id: Mapped[Id] = mapped_column(primary_key=True)
    prospect_id: Mapped[Id] = mapped_column(ForeignKey("prospects.id"))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(254))
    resume_url: Mapped[str | None] = mapped_column(String(2048))
    status: Mapped[LeadStatus] = mapped_column(text_enum(LeadStatus, name="status", length=20))
    attorney_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id"))
    content_hash: Mapped[str] = mapped_column(String(64))
    confirmation_queued: Mapped[bool]
    search_text: Mapped[str] = mapped_column(Text)
    last_name_key: Mapped[str] = mapped_column(text_compared_by_byte(400))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reached_out_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reached_out_by: Mapped[str | None] = mapped_column(String(200))
    contact_minutes: Mapped[int | None]
    source: Mapped[Source | None] = mapped_column(text_enum(Source, name="source", length=10))
    source_key_id: Mapped[Id | None]
    amber_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    remind_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reminders: Mapped[int] = mapped_column(server_default=text("0"))
    clock_version: Mapped[int] = mapped_column(server_default=text("0"))
    conflict: Mapped[Verdict] = mapped_column(
        text_enum(Verdict, name="conflict", length=10), server_default=text("'unchecked'")
    )
    conflict_by: Mapped[str | None] = mapped_column(String(200))
    conflict_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("(status = 'REACHED_OUT') = (reached_out_at IS NOT NULL)", name="reached_out_at"),
        CheckConstraint("reminders IN (0, 1, 2)", name="reminders"),
        Index("ix_leads_created_at_id", "created_at", "id"),
        Index("ix_leads_updated_at_id", "updated_at", "id"),
        Index("ix_leads_last_name_key_id", "last_name_key", "id"),
        Index("ix_leads_status_created_at_id", "status", "created_at", "id"),
        Index("ix_leads_attorney_id_created_at_id", "attorney_id", "created_at", "id"),
        Index("ix_leads_attorney_id_status_created_at_id", "attorney_id", "status", "created_at", "id"),
        Index("ix_leads_prospect_id_id", "prospect_id", "id"),
        Index(
            "ix_leads_in_conflict",
            "id",
            postgresql_where=text("conflict = 'conflict'"),
            sqlite_where=text("conflict = 'conflict'"),
        ),
        Index("ix_leads_urgency", "status", text("coalesce(due_at, created_at)"), "id"),
        _pending_index("ix_leads_due", "status", "due_at", "created_at", "id", having="due_at IS NOT NULL"),
        _pending_index("ix_leads_attorney_due", "attorney_id", "status", "due_at", "id", having="due_at IS NOT NULL"),
        _pending_index("ix_leads_remind", "status", "remind_at", "id", having="remind_at IS NOT NULL"),
        _pending_index("ix_leads_clock_version", "status", "clock_version", "id"),
        Index(
            "ix_leads_unmeasured",
            "clock_version",
            "id",
            postgresql_where=text("status = 'REACHED_OUT'"),
            sqlite_where=text("status = 'REACHED_OUT'"),
        ),
        {"sqlite_autoincrement": True},  # a number that an email or a log names is never another lead's
    )

    def stop_reminders(self) -> None:
        """Send no more reminders of this lead, because somebody has acted."""
        self.remind_at, self.reminders = None, 2


# With the value itself, not a parameter: SQLite uses an index of pending leads only when it sees it.
IS_PENDING = Lead.status == bindparam(None, LeadStatus.PENDING, literal_execute=True)


class LeadEvent(Base):
    """Something that happened to a lead: who, what, when, old and new. Only ever added to.

    `data` is a JSON object. A prospect's network address is not kept.
    """

    __tablename__ = "lead_events"

    id: Mapped[Id] = mapped_column(primary_key=True)
    lead_id: Mapped[Id] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(40))
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[Id | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    actor_address: Mapped[str | None] = mapped_column(String(45))
    data: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("actor_kind IN ('prospect', 'user', 'key', 'system')", name="actor_kind"),
        Index("ix_lead_events_lead_id_id", "lead_id", "id"),
    )

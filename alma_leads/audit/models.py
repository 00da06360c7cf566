"""The table of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, JsonText, UtcDateTime


class AuditEvent(Base):
    """Something that happened. Database triggers refuse to change or delete a row.

    `subject` names what it happened to ("Ian Park", "script: website-import"); `data` is a JSON object.
    """

    __tablename__ = "audit_events"

    id: Mapped[Id] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    action: Mapped[str] = mapped_column(String(40))
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[Id | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    actor_address: Mapped[str | None] = mapped_column(String(45))
    subject: Mapped[str] = mapped_column(String(200))
    data: Mapped[dict[str, Any]] = mapped_column(JsonText)

    __table_args__ = (
        CheckConstraint("actor_kind IN ('user', 'key', 'system', 'stranger')", name="actor_kind"),
        Index("ix_audit_events_at_id", "at", "id"),
        Index("ix_audit_events_action_at_id", "action", "at", "id"),
        Index("ix_audit_events_actor_kind_actor_id_at_id", "actor_kind", "actor_id", "at", "id"),
        Index("ix_audit_events_actor_kind_actor_id_action_at_id", "actor_kind", "actor_id", "action", "at", "id"),
    )

"""The table of running exports."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, UtcDateTime


class ExportProgress(Base):
    """How far an export is that somebody waits for on a page, which gave it a name. See `export_progress`."""

    __tablename__ = "export_progress"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    total: Mapped[int]
    sent: Mapped[int]
    state: Mapped[str] = mapped_column(String(7))
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (CheckConstraint("state IN ('running', 'done', 'broken')", name="state"),)

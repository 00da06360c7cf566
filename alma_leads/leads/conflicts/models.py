"""The table by which similar names are found."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, text_compared_by_byte


class BlockingKey(Base):
    """A key that a lead shares with leads that may be of the same person. See `leads.conflicts.blocking_keys`."""

    __tablename__ = "lead_traces"

    key: Mapped[str] = mapped_column("trace", text_compared_by_byte(40), primary_key=True)
    detail: Mapped[str] = mapped_column(text_compared_by_byte(254), primary_key=True)
    lead_id: Mapped[Id] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"), primary_key=True, index=True)

    __table_args__ = ({"sqlite_with_rowid": False},)

"""The table of daily digests."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id


class LeadDigest(Base):
    """Someone who wants an e-mail each working morning about the leads that wait. `done_on` is the firm's last day."""

    __tablename__ = "lead_digests"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    done_on: Mapped[str] = mapped_column(String(10))

"""The table of daily digests."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id


class LeadDigest(Base):
    """A user who gets an email each working morning about the leads that wait.

    `done_on` is the last day of the firm, in ISO 8601, for which it was sent or not needed.
    """

    __tablename__ = "lead_digests"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    done_on: Mapped[str] = mapped_column(String(10))

"""The table of daily digests."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, IsoDate


class LeadDigest(Base):
    """A user who gets an email each working morning about the leads that wait.

    `done_on` is the last day of the firm for which it was sent or not needed.
    """

    __tablename__ = "lead_digests"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    done_on: Mapped[date] = mapped_column(IsoDate)

"""The table of saved views."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from alma_leads.accounts.core.models import User
from alma_leads.database.base import Base, Id, UtcDateTime


class SavedView(Base):
    """A list of leads that a user has named: its filters and order as the query string of its address.

    What is relative stays so: "mine" means whoever opens the view, "the last 7 days" are those before today.
    """

    __tablename__ = "saved_views"

    id: Mapped[Id] = mapped_column(primary_key=True)
    owner_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(60))
    shared: Mapped[bool] = mapped_column(index=True)
    query: Mapped[str] = mapped_column(Text)
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)

    owner: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (UniqueConstraint("owner_id", "name"),)

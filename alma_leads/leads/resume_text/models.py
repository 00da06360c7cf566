"""The table of resume texts."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id


class ResumeText(Base):
    """What a lead's uploaded resume says, as a worker has read it.

    `words` are those by which it is found, each once and folded: between spaces on SQLite, which keeps an index of them
    by triggers; a `tsvector` on PostgreSQL.
    """

    __tablename__ = "resume_texts"

    lead_id: Mapped[Id] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"), primary_key=True)
    words: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR(), "postgresql"))
    body: Mapped[str] = mapped_column(Text)

"""The table of uploaded files. It knows no lead: whoever keeps a file names its owner."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database import Base, UtcDateTime


class Resume(Base):
    """An uploaded file. The row is committed before the object is written, so that no object is ever unknown.

    A row without a lead is an upload in progress, one kept from a form with errors, what a crash left, or what a
    deleted lead left: the sweep discards it (object first, row last) when it is old enough.
    """

    __tablename__ = "resumes"

    id: Mapped[int] = mapped_column(primary_key=True)
    storage_name: Mapped[str] = mapped_column(String(64), unique=True)
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("leads.id", ondelete="SET NULL"), unique=True)
    file_name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(100))
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    discarded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        Index(
            "ix_resumes_unattached",
            "created_at",
            postgresql_where=text("lead_id IS NULL"),
            sqlite_where=text("lead_id IS NULL"),
        ),
    )

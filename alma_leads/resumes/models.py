"""The table of uploaded files."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, UtcDateTime, text_enum

_UNREAD = "preview = 'pending' AND lead_id IS NOT NULL"


class Preview(enum.StrEnum):
    """Whether a worker has read a file for the desk: not yet, with success, or without."""

    PENDING = "pending"
    MADE = "made"
    NONE = "none"


class Resume(Base):
    """An uploaded file. The row is committed before the object is written, so that every object has a row.

    A row without a lead is an upload in progress, or left by a form with errors, a crash or a deleted lead. Once it is
    old enough, the sweep deletes the object and then the row.

    A worker reads the file for the desk. If it finds a first page, it stores a picture of it beside the file and sets
    `picture_width` and `picture_height`; `pages` is None for files without pages. `preview_tries` counts the claims of
    workers, `preview_due_at` is when the next one may claim the file, and `preview_failure` names the reason why there
    is no preview.
    """

    __tablename__ = "resumes"

    id: Mapped[Id] = mapped_column(primary_key=True)
    storage_name: Mapped[str] = mapped_column(String(64), unique=True)
    lead_id: Mapped[Id | None] = mapped_column(ForeignKey("leads.id", ondelete="SET NULL"), unique=True)
    file_name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(100))
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    discarded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    preview: Mapped[Preview] = mapped_column(
        text_enum(Preview, name="preview", length=10), server_default=text("'pending'")
    )
    preview_tries: Mapped[int] = mapped_column(server_default=text("0"))
    preview_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    preview_failure: Mapped[str | None] = mapped_column(String(20))
    pages: Mapped[int | None]
    picture_width: Mapped[int | None]
    picture_height: Mapped[int | None]

    __table_args__ = (
        Index("ix_resumes_unread", "id", postgresql_where=text(_UNREAD), sqlite_where=text(_UNREAD)),
        Index(
            "ix_resumes_unattached",
            "created_at",
            postgresql_where=text("lead_id IS NULL"),
            sqlite_where=text("lead_id IS NULL"),
        ),
    )

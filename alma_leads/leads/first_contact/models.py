"""The table of the firm's first-response target."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id


class FirstContactClock(Base):
    """When the firm works, and how soon it wants to contact a new lead: one row.

    `weekdays` are ISO numbers ("12345" is Monday to Friday), hours are minutes of the day (1440 is midnight at its
    end). `country` and `subdivision` name the public holidays that are kept, or are empty; `closed_days` are further
    days, ISO, one a line. Targets are minutes of working time, or NULL: no target. `version` grows with each change.
    """

    __tablename__ = "first_contact_clock"

    id: Mapped[Id] = mapped_column(primary_key=True)
    version: Mapped[int]
    time_zone: Mapped[str] = mapped_column(String(64))
    weekdays: Mapped[str] = mapped_column(String(7))
    opens_minute: Mapped[int]
    closes_minute: Mapped[int]
    country: Mapped[str] = mapped_column(String(2))
    subdivision: Mapped[str] = mapped_column(String(20))
    closed_days: Mapped[str] = mapped_column(Text)
    target_minutes: Mapped[int | None]
    amber_minutes: Mapped[int | None]

    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("0 <= opens_minute AND opens_minute < closes_minute AND closes_minute <= 1440", name="hours"),
        CheckConstraint("(target_minutes IS NULL) = (amber_minutes IS NULL)", name="target"),
    )

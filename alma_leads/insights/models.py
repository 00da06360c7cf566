"""Tables of what has been counted. All of it can be counted anew from the leads and the outbox: see `count_service`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, UtcDateTime


class Tally(Base):
    """What was counted of one day at the firm, or of a whole month whose days are all counted.

    `day` is ISO, a month's is its first. `facet` is what is counted: "all" leads (there is such a row for each counted
    day, also an empty one), leads by "attorney" (`subject` is a number, 0 for nobody), leads by "source" ("form",
    "api", "key:12", "key" for INTERNAL_API_KEY, "" where it is not known), or "mail" that was settled that day
    ("first", "retried" or "dead"). `number` is how many; of these, as things are now, `reached` have been reached out
    to, after what `contact` says (see `insights.spread`), and `came_back` had an earlier lead. `version` is that of the
    firm's hours by which it was counted.
    """

    __tablename__ = "insight_tallies"

    span: Mapped[str] = mapped_column(String(5), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    facet: Mapped[str] = mapped_column(String(8), primary_key=True)
    subject: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int]
    reached: Mapped[int]
    came_back: Mapped[int]
    contact: Mapped[str] = mapped_column(Text)
    version: Mapped[int]

    __table_args__ = (CheckConstraint("span IN ('day', 'month')", name="span"),)


class StaleMoment(Base):
    """A moment whose day is no longer as it was counted. Triggers write it in the transaction that changes something.

    Only ever added to by those: two who change leads of one day never wait for each other here.
    """

    __tablename__ = "insight_stale_moments"

    id: Mapped[Id] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class CountingRun(Base):
    """How often something was counted: one row. Of two who counted at the same time, the later one finds it changed."""

    __tablename__ = "insight_runs"

    id: Mapped[Id] = mapped_column(primary_key=True)
    runs: Mapped[int]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

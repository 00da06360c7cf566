"""Tables of assignment rules, imports and absences."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, func, select
from sqlalchemy.orm import Mapped, MappedSQLExpression, column_property, mapped_column, relationship

from alma_leads.accounts.core.models import User
from alma_leads.database.base import Base, Id, IsoDate, JsonText, UtcDateTime


class AssignmentRules(Base):
    """Whether new prospects are assigned to attorneys by round robin (`in_turn`): one row.

    `turn` counts them on SQLite. PostgreSQL has the sequence `assignment_turns` instead: at a row, two submissions
    would wait for each other until the commit of the first has reached the disk.
    """

    __tablename__ = "assignment_rules"

    id: Mapped[Id] = mapped_column(primary_key=True)
    in_turn: Mapped[bool]
    turn: Mapped[int]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class RotationMember(Base):
    """A user whom an administrator has included in the round robin, or excluded. By default only attorneys are in."""

    __tablename__ = "rotation_members"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    takes_part: Mapped[bool]


class DomainRule(Base):
    """The attorney for new prospects of a domain and its subdomains. `domain` is spelled as in normalised addresses."""

    __tablename__ = "domain_rules"

    domain: Mapped[str] = mapped_column(String(253), primary_key=True)
    attorney_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)

    attorney: Mapped[User] = relationship()


class AssignmentImportLine(Base):
    """A line that would change something, or cannot be used: then `kind` is "bad", with the column and a remedy.

    `outcome` is empty before it is applied, then "applied", or "left" if somebody else assigned the prospect meanwhile.
    """

    __tablename__ = "assignment_import_lines"

    import_id: Mapped[Id] = mapped_column(ForeignKey("assignment_imports.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(10))
    value: Mapped[str] = mapped_column(String(254))
    old_id: Mapped[Id | None]
    new_id: Mapped[Id | None]
    field: Mapped[str] = mapped_column(String(10))
    remedy: Mapped[str] = mapped_column(String(200))
    outcome: Mapped[str] = mapped_column(String(10))

    __table_args__ = (
        CheckConstraint("kind IN ('new', 'changed', 'removed', 'bad')", name="kind"),
        CheckConstraint("outcome IN ('', 'applied', 'left')", name="outcome"),
    )


def _count_of_lines(import_id: Mapped[int], outcome: str) -> MappedSQLExpression[int]:
    """Return an attribute of an import: how many of its lines have this outcome. It is loaded when it is asked for."""
    lines = select(func.count(AssignmentImportLine.number)).where(
        AssignmentImportLine.import_id == import_id, AssignmentImportLine.outcome == outcome
    )
    return column_property(lines.correlate_except(AssignmentImportLine).scalar_subquery(), deferred=True)


class AssignmentImport(Base):
    """An uploaded file of assignments, which is previewed and then applied.

    The counts are of lines. It is `ready` when all lines are stored. `notified` are the ids of the attorneys who
    have had their email.
    """

    __tablename__ = "assignment_imports"

    id: Mapped[Id] = mapped_column(primary_key=True)
    file_name: Mapped[str] = mapped_column(String(200))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    made_by: Mapped[str] = mapped_column(String(200))
    ready: Mapped[bool] = mapped_column(default=False)
    new: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    removed: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    bad: Mapped[int] = mapped_column(default=0)
    notified: Mapped[list[int]] = mapped_column("told", JsonText, default=list)
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    applied: Mapped[int] = _count_of_lines(id, "applied")
    left: Mapped[int] = _count_of_lines(id, "left")

    @property
    def changes(self) -> int:
        """How many lines would change something."""
        return self.new + self.changed + self.removed


class Absence(Base):
    """Days on which a user is away, both included, in the firm's time zone. Absences of one user never overlap."""

    __tablename__ = "absences"

    id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    first_day: Mapped[date] = mapped_column(IsoDate)
    last_day: Mapped[date] = mapped_column(IsoDate)

    __table_args__ = (
        CheckConstraint("first_day <= last_day", name="days"),
        Index("ix_absences_user_id_last_day", "user_id", "last_day"),
    )

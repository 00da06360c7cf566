"""Tables of assignment rules, imports and absences."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, UtcDateTime


class AssignmentRules(Base):
    """Whether prospects who are new go to attorneys in turn: one row.

    `turn` is how many have, on SQLite. On PostgreSQL a sequence counts (`assignment_turns`): two submissions would wait
    for each other at a row, until the first one's commit has reached the disk.
    """

    __tablename__ = "assignment_rules"

    id: Mapped[Id] = mapped_column(primary_key=True)
    in_turn: Mapped[bool]
    turn: Mapped[int]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class RotationMember(Base):
    """Someone for whom an administrator has said whether they take part. Without a row attorneys do, others do not."""

    __tablename__ = "rotation_members"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    takes_part: Mapped[bool]


class DomainRule(Base):
    """An attorney who gets the new prospects of a domain and of those below it. `domain` is kept as in addresses."""

    __tablename__ = "domain_rules"

    domain: Mapped[str] = mapped_column(String(253), primary_key=True)
    attorney_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)


class AssignmentImport(Base):
    """A file of assignments that someone has uploaded, to look at what it would change and then to apply it.

    Its counts are of lines. `ready` says that all of them are written down, `told` names the attorneys who have had
    their e-mail, as JSON.
    """

    __tablename__ = "assignment_imports"

    id: Mapped[Id] = mapped_column(primary_key=True)
    file_name: Mapped[str] = mapped_column(String(200))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    made_by: Mapped[str] = mapped_column(String(200))
    ready: Mapped[bool]
    new: Mapped[int]
    changed: Mapped[int]
    removed: Mapped[int]
    unchanged: Mapped[int]
    bad: Mapped[int]
    told: Mapped[str] = mapped_column(Text)
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AssignmentImportLine(Base):
    """A line that would change something, or cannot be used (`kind` is "bad", with the column and what to do).

    `outcome` is empty before it is applied, then "applied" or, since somebody was faster, "left".
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


class Absence(Base):
    """Days on which someone is away, ISO, both included, as the firm's clock counts days. A person's never overlap."""

    __tablename__ = "absences"

    id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    first_day: Mapped[str] = mapped_column(String(10))
    last_day: Mapped[str] = mapped_column(String(10))

    __table_args__ = (
        CheckConstraint("first_day <= last_day", name="days"),
        Index("ix_absences_user_id_last_day", "user_id", "last_day"),
    )

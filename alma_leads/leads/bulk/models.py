"""Tables of actions on many leads."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, Id, UtcDateTime


class BulkAction(Base):
    """What somebody does to many leads at once, and how far it has come.

    `kind` is "reached_out", for leads up to the number `up_to`, or "assigned", to `attorney_id` or else the helpdesk.
    `people` and `leads` are how many there were when it was asked for; `handled` people have had their turn, `changed`
    leads were changed, `passed_over` people were given to somebody else meanwhile. `told`: the attorney was. Until it
    is `ready`, its items are still being written down.
    """

    __tablename__ = "bulk_actions"

    id: Mapped[Id] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    attorney_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id"))
    up_to: Mapped[Id]
    people: Mapped[int]
    leads: Mapped[int]
    handled: Mapped[int] = mapped_column(server_default=text("0"))
    changed: Mapped[int] = mapped_column(server_default=text("0"))
    passed_over: Mapped[int] = mapped_column(server_default=text("0"))
    told: Mapped[bool] = mapped_column(server_default=false())
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[Id | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    actor_address: Mapped[str | None] = mapped_column(String(45))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ready: Mapped[bool] = mapped_column(server_default=false())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("kind IN ('reached_out', 'assigned')", name="kind"),
        Index(
            "ix_bulk_actions_unfinished",
            "id",
            postgresql_where=text("finished_at IS NULL"),
            sqlite_where=text("finished_at IS NULL"),
        ),
        Index("ix_bulk_actions_actor_id_id", "actor_id", "id"),
    )


class BulkActionItem(Base):
    """A prospect whose turn in a bulk action has not come yet, and who had it when the action was asked for."""

    __tablename__ = "bulk_action_items"

    action_id: Mapped[Id] = mapped_column(ForeignKey("bulk_actions.id", ondelete="CASCADE"), primary_key=True)
    prospect_id: Mapped[Id] = mapped_column(primary_key=True)
    attorney_id: Mapped[Id | None]

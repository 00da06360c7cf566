"""Tables of actions on many leads."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from alma_leads.accounts.core.models import Role, User
from alma_leads.common.actor import Actor
from alma_leads.database.base import Base, Id, UtcDateTime


class Kind(enum.StrEnum):
    """What can be done to many leads."""

    REACHED_OUT = "reached_out"
    ASSIGNED = "assigned"


class BulkAction(Base):
    """What a user does to many leads at once, and how far it is.

    It marks leads up to the id `up_to` as reached out, or assigns them to `attorney_id`, None for the helpdesk.
    `people` and `leads` are how many there were when it was requested; `handled` people have been processed, `changed`
    leads were changed, `skipped` people were assigned to somebody else meanwhile. `notified`: the attorney was. Until
    it is `ready`, its items are still being stored.
    """

    __tablename__ = "bulk_actions"

    id: Mapped[Id] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    attorney_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id"))
    up_to: Mapped[Id]
    people: Mapped[int]
    leads: Mapped[int]
    handled: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    changed: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    skipped: Mapped[int] = mapped_column("passed_over", default=0, server_default=text("0"))
    notified: Mapped[bool] = mapped_column("told", default=False, server_default=false())
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[Id | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    actor_address: Mapped[str | None] = mapped_column(String(45))
    requested_at: Mapped[datetime] = mapped_column("asked_at", UtcDateTime)
    ready: Mapped[bool] = mapped_column(default=False, server_default=false())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    attorney: Mapped[User | None] = relationship(lazy="joined")

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

    @property
    def actor(self) -> Actor:
        """Who requested it."""
        return Actor(cast("Any", self.actor_kind), self.actor_id, self.actor_name, self.actor_address)

    @property
    def attorney_name(self) -> str:
        """The name of the attorney, or "the helpdesk"."""
        return self.attorney.name if self.attorney else "the helpdesk"

    @property
    def can_be_assigned(self) -> bool:
        """Whether its attorney can still have prospects; the helpdesk always can."""
        attorney = self.attorney
        return attorney is None or (attorney.active and attorney.role in (Role.ADMINISTRATOR, Role.ATTORNEY))


class BulkActionItem(Base):
    """A prospect that a bulk action has not processed yet, and whose it was when the action was requested."""

    __tablename__ = "bulk_action_items"

    action_id: Mapped[Id] = mapped_column(ForeignKey("bulk_actions.id", ondelete="CASCADE"), primary_key=True)
    prospect_id: Mapped[Id] = mapped_column(primary_key=True)
    attorney_id: Mapped[Id | None]

"""An index of the audit log by who and what together, and on PostgreSQL what it knows of which goes with which.

Revision: 0009, after 0008.

Who never did something is otherwise looked for in all that they did, or in everyone's doings of that kind. And without
statistics of the columns together PostgreSQL thinks that a key without a number has done much, and walks the whole log.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEX = "ix_audit_events_actor_kind_actor_id_action_at_id"


def upgrade() -> None:
    op.create_index(INDEX, "audit_events", ["actor_kind", "actor_id", "action", "at", "id"])
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE STATISTICS audit_events_who_and_what (mcv) ON actor_kind, actor_id, action FROM audit_events"
        )


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP STATISTICS audit_events_who_and_what")
    op.drop_index(INDEX, "audit_events")

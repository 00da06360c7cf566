"""What somebody does to many leads at once, and the prospects whose turn has not come yet.

Revision: 0015, after 0014.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_actions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("attorney_id", sa.Integer(), nullable=True),
        sa.Column("up_to", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("leads", sa.Integer(), nullable=False),
        sa.Column("handled", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("passed_over", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("told", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("actor_kind", sa.String(20), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("actor_name", sa.String(200), nullable=False),
        sa.Column("actor_address", sa.String(45), nullable=True),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("ready", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["attorney_id"], ["users.id"], name="fk_bulk_actions_attorney_id_users"),
        sa.PrimaryKeyConstraint("id", name="pk_bulk_actions"),
        sa.CheckConstraint("kind IN ('reached_out', 'assigned')", name=op.f("ck_bulk_actions_kind")),
    )
    unfinished = sa.text("finished_at IS NULL")
    op.create_index(
        "ix_bulk_actions_unfinished", "bulk_actions", ["id"], postgresql_where=unfinished, sqlite_where=unfinished
    )
    op.create_index("ix_bulk_actions_actor_id_id", "bulk_actions", ["actor_id", "id"])
    op.create_table(
        "bulk_action_items",
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("prospect_id", sa.Integer(), nullable=False),
        sa.Column("attorney_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["action_id"], ["bulk_actions.id"], name="fk_bulk_action_items_action_id_bulk_actions", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("action_id", "prospect_id", name="pk_bulk_action_items"),
    )


def downgrade() -> None:
    op.drop_table("bulk_action_items")
    op.drop_table("bulk_actions")

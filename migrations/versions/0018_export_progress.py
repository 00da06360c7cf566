"""How far exports are that somebody waits for.

Revision: 0018, after 0017.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "export_progress",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(7), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('running', 'done', 'broken')", name=op.f("ck_export_progress_state")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_export_progress_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "token", name="pk_export_progress"),
    )


def downgrade() -> None:
    op.drop_table("export_progress")

"""Who wants the morning's e-mail about waiting leads, and the firm's day of the last one.

Revision: 0011, after 0010.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lead_digests",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("done_on", sa.String(10), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_lead_digests_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name="pk_lead_digests"),
    )


def downgrade() -> None:
    op.drop_table("lead_digests")

"""Sign-ins that have gone to the identity provider and have not come back.

Revision: 0007, after 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sso_requests",
        sa.Column("state_hash", sa.String(64), nullable=False),
        sa.Column("browser_hash", sa.String(64), nullable=False),
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("verifier", sa.String(64), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("confirming", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name="pk_sso_requests"),
    )
    op.create_index("ix_sso_requests_created_at", "sso_requests", ["created_at"])


def downgrade() -> None:
    op.drop_table("sso_requests")

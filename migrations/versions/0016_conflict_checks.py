"""What the conflict check of a lead came to, who said so, and when.

Revision: 0016, after 0015.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # By hand, since Alembic would copy the table on SQLite, and lose the triggers that keep its search.
    op.execute(
        "ALTER TABLE leads ADD COLUMN conflict VARCHAR(10) DEFAULT 'unchecked' NOT NULL "
        "CONSTRAINT ck_leads_conflict CHECK (conflict IN ('unchecked', 'clear', 'conflict'))"
    )
    op.add_column("leads", sa.Column("conflict_by", sa.String(200), nullable=True))
    op.add_column("leads", sa.Column("conflict_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    for column in ("conflict_at", "conflict_by", "conflict"):
        op.drop_column("leads", column)

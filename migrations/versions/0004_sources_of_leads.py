"""Where a lead came from: the form, the API without a key, or a key and which. Earlier leads do not say.

Revision: 0004, after 0003.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # By hand, since Alembic would copy the table on SQLite, and lose the triggers that keep its search.
    op.execute(
        "ALTER TABLE leads ADD COLUMN source VARCHAR(10) "
        "CONSTRAINT ck_leads_source CHECK (source IN ('form', 'api', 'key'))"
    )
    op.execute("ALTER TABLE leads ADD COLUMN source_key_id INTEGER")


def downgrade() -> None:
    op.execute("ALTER TABLE leads DROP COLUMN source_key_id")
    op.execute("ALTER TABLE leads DROP COLUMN source")

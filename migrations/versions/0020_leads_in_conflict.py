"""An index of the leads in conflict, which are few, so that a list of them alone looks at no others.

Revision: 0020, after 0019.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    where = sa.text("conflict = 'conflict'")
    op.create_index("ix_leads_in_conflict", "leads", ["id"], postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    op.drop_index("ix_leads_in_conflict", "leads")

"""An index of the prospects who came back, so that their leads are found without looking at everyone's.

Revision: 0008, after 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    came_back = sa.text("lead_count > 1")
    op.create_index("ix_prospects_returning", "prospects", ["id"], postgresql_where=came_back, sqlite_where=came_back)


def downgrade() -> None:
    op.drop_index("ix_prospects_returning", "prospects")

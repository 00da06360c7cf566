"""Who has chosen no time zone gets the firm's. UTC was what everyone began with, so it counts as not chosen.

Revision: 0022, after 0021.
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE users SET time_zone = '' WHERE time_zone = 'UTC'")


def downgrade() -> None:
    op.execute("UPDATE users SET time_zone = 'UTC' WHERE time_zone = ''")

"""A message with a link in it is not sent once the link no longer works.

Revision: 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox_messages", sa.Column("expires_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    # Not as a batch: that would make the table anew, for each of its million rows.
    op.drop_column("outbox_messages", "expires_at")

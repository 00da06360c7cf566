"""Keep in one row that the mail server takes no mail from us, since when and why.

Revision: 0027, after 0026.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "mail_pause",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("since", UtcDateTime()),
        sa.Column("words", sa.String(1000), nullable=False),
        sa.Column("step", sa.String(10), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("probe_at", UtcDateTime()),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mail_pause"),
        sa.CheckConstraint("id = 1", name=op.f("ck_mail_pause_one_row")),
    )
    op.bulk_insert(table, [{"id": 1, "words": "", "step": "", "code": 0, "probes": 0}])


def downgrade() -> None:
    op.drop_table("mail_pause")

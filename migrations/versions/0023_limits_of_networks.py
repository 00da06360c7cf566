"""Count confirmations by mailbox and by the client's network, and sign-ins by the /48 of an IPv6 address.

Revision: 0023, after 0022.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sign_in_attempts", sa.Column("wide_network", sa.String(45)))
    op.create_index("ix_sign_in_attempts_wide_network_at", "sign_in_attempts", ["wide_network", "at"])
    # It begins empty: confirmations of the day before the upgrade do not count.
    op.create_table(
        "confirmations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox", sa.String(32), nullable=False),
        sa.Column("network", sa.String(32)),
        sa.Column("wide_network", sa.String(32)),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_confirmations"),
    )
    op.create_index("ix_confirmations_at", "confirmations", ["at"])
    op.create_index("ix_confirmations_mailbox_at", "confirmations", ["mailbox", "at"])
    for column in ("network", "wide_network"):
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_confirmations_{column}_at",
            "confirmations",
            [column, "at"],
            postgresql_where=where,
            sqlite_where=where,
        )


def downgrade() -> None:
    op.drop_table("confirmations")
    op.drop_index("ix_sign_in_attempts_wide_network_at", "sign_in_attempts")
    op.drop_column("sign_in_attempts", "wide_network")

"""To whom prospects go who are new: by the domain of their address, and in turn. All of it is off at first.

Revision: 0019, after 0018.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "assignment_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("in_turn", sa.Boolean(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_assignment_rules_one_row")),
        sa.PrimaryKeyConstraint("id", name="pk_assignment_rules"),
    )
    op.execute("INSERT INTO assignment_rules (id, in_turn, turn) VALUES (1, FALSE, 0)")
    op.create_table(
        "rotation_members",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("takes_part", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_rotation_members_user_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_rotation_members"),
    )
    op.create_table(
        "domain_rules",
        sa.Column("domain", sa.String(253), nullable=False),
        sa.Column("attorney_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attorney_id"], ["users.id"], name="fk_domain_rules_attorney_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("domain", name="pk_domain_rules"),
    )
    op.create_index("ix_domain_rules_attorney_id", "domain_rules", ["attorney_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE assignment_turns")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP SEQUENCE assignment_turns")
    op.drop_table("domain_rules")
    op.drop_table("rotation_members")
    op.drop_table("assignment_rules")

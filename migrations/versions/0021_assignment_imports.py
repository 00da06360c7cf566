"""Files of assignments between being looked at and being applied, and the assigned prospects in order.

Revision: 0021, after 0020.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "assignment_imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.String(200), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("made_by", sa.String(200), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("new", "changed", "removed", "unchanged", "bad")),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_assignment_imports"),
    )
    op.create_index("ix_assignment_imports_made_at", "assignment_imports", ["made_at"])
    op.create_table(
        "assignment_import_lines",
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("value", sa.String(254), nullable=False),
        sa.Column("old_id", sa.Integer(), nullable=True),
        sa.Column("new_id", sa.Integer(), nullable=True),
        sa.Column("field", sa.String(10), nullable=False),
        sa.Column("remedy", sa.String(200), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.CheckConstraint(
            "kind IN ('new', 'changed', 'removed', 'bad')", name=op.f("ck_assignment_import_lines_kind")
        ),
        sa.CheckConstraint("outcome IN ('', 'applied', 'left')", name=op.f("ck_assignment_import_lines_outcome")),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["assignment_imports.id"],
            name="fk_assignment_import_lines_import_id_assignment_imports",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", "number", name="pk_assignment_import_lines"),
    )
    # The page of assignments walks it, also when a million prospects have no attorney.
    op.execute("CREATE INDEX ix_prospects_assigned ON prospects (email) WHERE attorney_id IS NOT NULL")


def downgrade() -> None:
    op.drop_index("ix_prospects_assigned", "prospects")
    op.drop_table("assignment_import_lines")
    op.drop_table("assignment_imports")

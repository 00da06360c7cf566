"""The first contact clock: the firm's working hours and target, and the moments that they give each lead.

Revision: 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = ("ix_leads_due", "ix_leads_attorney_due", "ix_leads_remind", "ix_leads_clock_version")


def upgrade() -> None:
    op.create_table(
        "first_contact_clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("weekdays", sa.String(7), nullable=False),
        sa.Column("opens_minute", sa.Integer(), nullable=False),
        sa.Column("closes_minute", sa.Integer(), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("subdivision", sa.String(20), nullable=False),
        sa.Column("closed_days", sa.Text(), nullable=False),
        sa.Column("target_minutes", sa.Integer(), nullable=True),
        sa.Column("amber_minutes", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_first_contact_clock"),
        sa.CheckConstraint("id = 1", name=op.f("ck_first_contact_clock_one_row")),
        sa.CheckConstraint(
            "0 <= opens_minute AND opens_minute < closes_minute AND closes_minute <= 1440",
            name=op.f("ck_first_contact_clock_hours"),
        ),
        sa.CheckConstraint(
            "(target_minutes IS NULL) = (amber_minutes IS NULL)", name=op.f("ck_first_contact_clock_target")
        ),
    )
    # Nine to five from Monday to Friday, and no target: nobody is reminded before the firm has said of what.
    op.execute("""
        INSERT INTO first_contact_clock (id, version, time_zone, weekdays, opens_minute, closes_minute, country,
                                         subdivision, closed_days)
        VALUES (1, 0, 'UTC', '12345', 540, 1020, '', '', '')
    """)
    # Columns one by one, not in a batch: a batch makes the table anew on SQLite, and the search loses its triggers.
    for name in ("amber_at", "due_at", "remind_at"):
        op.add_column("leads", sa.Column(name, UtcDateTime(), nullable=True))
    op.execute(
        "ALTER TABLE leads ADD COLUMN reminders INTEGER DEFAULT 0 NOT NULL "
        "CONSTRAINT ck_leads_reminders CHECK (reminders IN (0, 1, 2))"
    )
    op.add_column("leads", sa.Column("clock_version", sa.Integer(), server_default=sa.text("0"), nullable=False))
    # `status` is the same in each row of these, and still a column: without it SQLite prefers the index by status.
    _index("ix_leads_due", ["status", "due_at", "id"], "status = 'PENDING' AND due_at IS NOT NULL")
    _index("ix_leads_attorney_due", ["attorney_id", "status", "due_at", "id"], "status = 'PENDING' AND due_at IS NOT NULL")
    _index("ix_leads_remind", ["status", "remind_at", "id"], "status = 'PENDING' AND remind_at IS NOT NULL")
    _index("ix_leads_clock_version", ["status", "clock_version", "id"], "status = 'PENDING'")


def downgrade() -> None:
    for index in INDEXES:
        op.drop_index(index, "leads")
    for column in ("amber_at", "due_at", "remind_at", "reminders", "clock_version"):
        op.drop_column("leads", column)
    op.drop_table("first_contact_clock")


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "leads", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))

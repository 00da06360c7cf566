"""Insights: what was counted of each day, and triggers that note the day of a lead or a message which changed later.

Revision: 0014, after 0013.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Name, table, when, and the moment whose day is no longer as it was. New leads leave no note: see `count_service`.
NOTES = (
    (
        "leads_note_change",
        "leads",
        "UPDATE OF status, attorney_id",
        "old.status <> new.status OR old.attorney_id IS {unlike} new.attorney_id",
        "new.created_at",
    ),
    # Only a dead letter is ever settled anew.
    ("outbox_note_revival", "outbox_messages", "UPDATE OF state", "old.state = 'dead'", "old.settled_at"),
    ("outbox_note_removal", "outbox_messages", "DELETE", "old.state = 'dead'", "old.settled_at"),
)


def upgrade() -> None:
    op.create_table(
        "insight_tallies",
        sa.Column("span", sa.String(5), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("facet", sa.String(8), nullable=False),
        sa.Column("subject", sa.String(20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reached", sa.Integer(), nullable=False),
        sa.Column("came_back", sa.Integer(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("span", "day", "facet", "subject", name="pk_insight_tallies"),
        sa.CheckConstraint("span IN ('day', 'month')", name=op.f("ck_insight_tallies_span")),
    )
    op.create_table(
        "insight_stale_moments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_insight_stale_moments"),
    )
    op.create_table(
        "insight_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_insight_runs"),
        sa.CheckConstraint("id = 1", name=op.f("ck_insight_runs_one_row")),
    )
    op.execute("INSERT INTO insight_runs (id, runs) VALUES (1, 0)")
    settled = sa.text("settled_at IS NOT NULL")
    op.create_index(
        "ix_outbox_messages_settled",
        "outbox_messages",
        ["settled_at", "state", "attempts"],
        postgresql_where=settled,
        sqlite_where=settled,
    )
    for name, table, event, condition, moment in NOTES:
        _note(name, table, event, condition, moment)


def _note(name: str, table: str, event: str, condition: str, moment: str) -> None:
    insert = f"INSERT INTO insight_stale_moments (at) SELECT {moment} WHERE {moment} IS NOT NULL"
    if op.get_context().dialect.name == "sqlite":
        when = condition.format(unlike="NOT")
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} WHEN {when} BEGIN {insert}; END")
        return
    when = condition.format(unlike="DISTINCT FROM")
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {insert}; RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}()"
    )


def downgrade() -> None:
    for name, table, *_ in NOTES:
        if op.get_context().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {name}")
        else:
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")
    op.drop_index("ix_outbox_messages_settled", "outbox_messages")
    for table in ("insight_runs", "insight_stale_moments", "insight_tallies"):
        op.drop_table(table)

"""Store the working minutes to first contact on the lead, and count no days any more.

The worker measures the leads of before. The tables of what was counted stay until the next release.

Revision: 0025, after 0024.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# Name, table, when, and the moment whose day is no longer as it was.
NOTES = (
    (
        "leads_note_change",
        "leads",
        "UPDATE OF status, attorney_id",
        "old.status <> new.status OR old.attorney_id IS {unlike} new.attorney_id",
        "new.created_at",
    ),
    ("outbox_note_revival", "outbox_messages", "UPDATE OF state", "old.state = 'dead'", "old.settled_at"),
    ("outbox_note_removal", "outbox_messages", "DELETE", "old.state = 'dead'", "old.settled_at"),
)


def upgrade() -> None:
    for name, table, *_ in NOTES:
        if op.get_context().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {name}")
        else:
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")
    op.add_column("leads", sa.Column("contact_minutes", sa.Integer(), nullable=True))
    reached = sa.text("status = 'REACHED_OUT'")
    op.create_index(
        "ix_leads_unmeasured", "leads", ["clock_version", "id"], postgresql_where=reached, sqlite_where=reached
    )
    # Every lead is older than this version: so the worker measures those that were reached out to. Those that wait get
    # the moments that they have.
    op.execute(
        "UPDATE first_contact_clock SET version = version + 1"
        " WHERE EXISTS (SELECT 1 FROM leads WHERE status = 'REACHED_OUT')"
    )


def downgrade() -> None:
    op.drop_index("ix_leads_unmeasured", "leads")
    op.drop_column("leads", "contact_minutes")
    # Nothing noted what has changed meanwhile: the worker counts all days anew.
    op.execute("DELETE FROM insight_tallies")
    op.execute("DELETE FROM insight_stale_moments")
    for note in NOTES:
        _note(*note)


def _note(name: str, table: str, event: str, condition: str, moment: str) -> None:
    insert = f"INSERT INTO insight_stale_moments (at) SELECT {moment} WHERE {moment} IS NOT NULL"
    if op.get_context().dialect.name == "sqlite":
        when = condition.format(unlike="NOT")
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} WHEN {when} BEGIN {insert}; END")
        return
    when = condition.format(unlike="DISTINCT FROM")
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {insert}; RETURN NULL; END $$")
    op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}()")

"""Triggers that keep the events of leads as they were written.

Revision: 0003, after 0002.

An event goes only together with its lead: who deletes a person's data deletes the lead, and the foreign key takes its
events along. By then the lead's row is gone, which is how the trigger tells the two apart.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("""
            CREATE FUNCTION lead_events_are_kept() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'lead_events is only ever added to'; END $$
        """)
        op.execute("""
            CREATE TRIGGER lead_events_are_kept BEFORE UPDATE OR TRUNCATE ON lead_events
            FOR EACH STATEMENT EXECUTE FUNCTION lead_events_are_kept()
        """)
        op.execute("""
            CREATE FUNCTION lead_events_go_with_their_lead() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN
                IF EXISTS (SELECT 1 FROM leads WHERE id = OLD.lead_id) THEN
                    RAISE EXCEPTION 'lead_events is only ever added to';
                END IF;
                RETURN OLD;
            END $$
        """)
        op.execute("""
            CREATE TRIGGER lead_events_go_with_their_lead BEFORE DELETE ON lead_events
            FOR EACH ROW EXECUTE FUNCTION lead_events_go_with_their_lead()
        """)
        return
    op.execute("""
        CREATE TRIGGER lead_events_no_update BEFORE UPDATE ON lead_events BEGIN
        SELECT RAISE(ABORT, 'lead_events is only ever added to'); END
    """)
    op.execute("""
        CREATE TRIGGER lead_events_no_delete BEFORE DELETE ON lead_events
        WHEN EXISTS (SELECT 1 FROM leads WHERE id = OLD.lead_id) BEGIN
        SELECT RAISE(ABORT, 'lead_events is only ever added to'); END
    """)


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for name in ("lead_events_are_kept", "lead_events_go_with_their_lead"):
            op.execute(f"DROP TRIGGER {name} ON lead_events")
            op.execute(f"DROP FUNCTION {name}()")
        return
    for name in ("lead_events_no_update", "lead_events_no_delete"):
        op.execute(f"DROP TRIGGER {name}")

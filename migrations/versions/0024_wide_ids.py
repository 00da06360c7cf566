"""Give ids 64 bits on PostgreSQL, and use the number of a lead once only on SQLite.

PostgreSQL rewrites each table, SQLite that of the leads: nobody else can use the database meanwhile.

Revision: 0024, after 0023.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from alembic import op
from sqlalchemy import Connection, text

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
rewrites = True  # a copy is made before

IDS = {
    "absences": ["id", "user_id"],
    "api_keys": ["id"],
    "assignment_import_lines": ["import_id", "old_id", "new_id"],
    "assignment_imports": ["id"],
    "assignment_rules": ["id"],
    "audit_events": ["id", "actor_id"],
    "authenticators": ["id", "user_id"],
    "bulk_action_items": ["action_id", "prospect_id", "attorney_id"],
    "bulk_actions": ["id", "attorney_id", "up_to", "actor_id"],
    "confirmations": ["id"],
    "domain_rules": ["attorney_id"],
    "export_progress": ["user_id"],
    "firm": ["id"],
    "first_contact_clock": ["id"],
    "idempotency_keys": ["lead_id"],
    "identities": ["id", "user_id"],
    "insight_runs": ["id"],
    "insight_stale_moments": ["id"],
    "lead_digests": ["user_id"],
    "lead_events": ["id", "lead_id", "actor_id"],
    "lead_traces": ["lead_id"],
    "leads": ["id", "prospect_id", "attorney_id", "source_key_id"],
    "one_time_links": ["id", "user_id"],
    "outbox_messages": ["id"],
    "passkeys": ["id", "user_id"],
    "prospects": ["id", "attorney_id"],
    "recovery_codes": ["id", "user_id"],
    "resume_texts": ["lead_id"],
    "resumes": ["id", "lead_id"],
    "rotation_members": ["user_id"],
    "saved_views": ["id", "owner_id"],
    "sign_in_attempts": ["id"],
    "user_sessions": ["id", "user_id"],
    "users": ["id"],
}
# SQLite gives the highest id of all out again when its row was deleted, unless the table says AUTOINCREMENT.
USED_AGAIN = "id INTEGER NOT NULL"
USED_ONCE = "id INTEGER NOT NULL CONSTRAINT pk_leads PRIMARY KEY AUTOINCREMENT"
PRIMARY_KEY = "CONSTRAINT pk_leads PRIMARY KEY (id)"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        _change_types(connection, "bigint")
    else:
        # It stands in the middle, or at the end after a downgrade.
        without = re.compile(rf",\s*{re.escape(PRIMARY_KEY)}")
        _rebuild_leads(connection, lambda create: without.sub("", create).replace(USED_AGAIN, USED_ONCE, 1))


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        _change_types(connection, "integer")
    else:
        _rebuild_leads(connection, lambda create: f"{create.replace(USED_ONCE, USED_AGAIN)[:-1]}, {PRIMARY_KEY})")


def _change_types(connection: Connection, wanted: str) -> None:
    for table, columns in IDS.items():
        changes = ", ".join(f"ALTER COLUMN {column} TYPE {wanted}" for column in columns)
        # A trigger that names a column is in the way of its type.
        triggers = connection.execute(
            text(
                "SELECT tgname, pg_get_triggerdef(oid) AS definition FROM pg_trigger"
                " WHERE tgrelid = CAST(:table AS regclass) AND NOT tgisinternal"
            ),
            {"table": table},
        ).all()
        for trigger in triggers:
            connection.execute(text(f"DROP TRIGGER {trigger.tgname} ON {table}"))
        connection.execute(text(f"ALTER TABLE {table} {changes}"))
        for trigger in triggers:
            connection.exec_driver_sql(trigger.definition)
        sequence = connection.execute(text(f"SELECT pg_get_serial_sequence('{table}', '{columns[0]}')")).scalar()
        if sequence:
            connection.execute(text(f"ALTER SEQUENCE {sequence} AS {wanted}"))


def _rebuild_leads(connection: Connection, change: Callable[[str], str]) -> None:
    """Make the table anew, with its indexes and triggers (https://www.sqlite.org/lang_altertable.html#otheralter)."""
    kept = connection.execute(
        text("SELECT sql FROM sqlite_master WHERE tbl_name = 'leads' AND type IN ('index', 'trigger') AND sql > ''")
    )
    again = list(kept.scalars())
    create = connection.execute(text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'leads'")).scalar()
    columns = change(str(create)).partition("(")[2]
    connection.execute(text("PRAGMA legacy_alter_table=ON"))  # triggers of other tables name this one
    connection.exec_driver_sql(f"CREATE TABLE leads_again ({columns}")
    connection.exec_driver_sql("INSERT INTO leads_again SELECT * FROM leads")
    connection.exec_driver_sql("DROP TABLE leads")
    connection.exec_driver_sql("ALTER TABLE leads_again RENAME TO leads")
    connection.execute(text("PRAGMA legacy_alter_table=OFF"))
    for statement in again:
        connection.exec_driver_sql(statement)

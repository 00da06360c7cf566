"""Second factors, passkeys, identities, keys with scopes, half-open sessions, the firm's rule, and the audit log.

Revision: 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STAGES = sa.Enum(
    "second_factor", "enrolment", "open", name="stage", native_enum=False, create_constraint=True, length=20
)
OLD_PURPOSES = ("setup", "set_password")
NEW_PURPOSES = ("setup", "invitation", "reset", "change_email")


def upgrade() -> None:
    _rename_unique("users", "fs_uniquifier", "handle")
    _table(
        "identities",
        sa.Column("issuer", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("issuer", "subject", name="uq_identities_issuer_subject"),
    )
    _table(
        "authenticators",
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
    )
    _table(
        "passkeys",
        sa.Column("credential_id", sa.String(1400), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", sa.String(100), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.UniqueConstraint("credential_id", name="uq_passkeys_credential_id"),
    )
    _table(
        "recovery_codes",
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
    )
    op.create_table(
        "passkey_challenges",
        sa.Column("challenge_hash", sa.String(64), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("challenge_hash", name="pk_passkey_challenges"),
    )
    op.create_index("ix_passkey_challenges_expires_at", "passkey_challenges", ["expires_at"])

    # Whoever is signed in signs in again: what they had shown was not written down.
    op.execute("DELETE FROM user_sessions")
    with op.batch_alter_table("user_sessions") as sessions:
        sessions.add_column(sa.Column("stage", STAGES, nullable=False))
        sessions.add_column(sa.Column("proofs", sa.String(60), nullable=False))
        sessions.add_column(sa.Column("authenticated_at", UtcDateTime(), nullable=False))

    with op.batch_alter_table("one_time_links") as links:
        links.drop_constraint(op.f("ck_one_time_links_purpose"), type_="check")
        links.add_column(sa.Column("new_email", sa.String(254), nullable=True))
    # A password was chosen through one purpose; now it is said whether the person came for the first time.
    op.execute("""
        UPDATE one_time_links SET purpose = CASE
            WHEN user_id IN (SELECT id FROM users WHERE password IS NOT NULL) THEN 'reset' ELSE 'invitation' END
        WHERE purpose = 'set_password'
    """)
    with op.batch_alter_table("one_time_links") as links:
        links.create_check_constraint(op.f("ck_one_time_links_purpose"), f"purpose IN {NEW_PURPOSES}")

    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_by", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("key_hash", name="uq_api_keys_key_hash"),
    )
    valid = sa.text("revoked_at IS NULL")
    op.create_index(
        "ix_api_keys_name", "api_keys", ["name"], unique=True, postgresql_where=valid, sqlite_where=valid
    )
    op.create_table(
        "firm",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("second_factor_required", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_firm"),
        sa.CheckConstraint("id = 1", name=op.f("ck_firm_one_row")),
    )
    op.execute("INSERT INTO firm (id, second_factor_required) VALUES (1, FALSE)")
    _create_audit_log()


def downgrade() -> None:
    _drop_audit_log()
    op.drop_table("firm")
    op.drop_table("api_keys")
    with op.batch_alter_table("one_time_links") as links:
        links.drop_constraint(op.f("ck_one_time_links_purpose"), type_="check")
        links.drop_column("new_email")
    op.execute("DELETE FROM one_time_links WHERE purpose = 'change_email'")
    op.execute("UPDATE one_time_links SET purpose = 'set_password' WHERE purpose IN ('invitation', 'reset')")
    with op.batch_alter_table("one_time_links") as links:
        links.create_check_constraint(op.f("ck_one_time_links_purpose"), f"purpose IN {OLD_PURPOSES}")
    # A session that is half-way there would count as open.
    op.execute("DELETE FROM user_sessions WHERE stage <> 'open'")
    with op.batch_alter_table("user_sessions") as sessions:
        sessions.drop_constraint(op.f("ck_user_sessions_stage"), type_="check")
        sessions.drop_column("stage")
        sessions.drop_column("proofs")
        sessions.drop_column("authenticated_at")
    for table in ("passkey_challenges", "recovery_codes", "passkeys", "authenticators", "identities"):
        op.drop_table(table)
    _rename_unique("users", "handle", "fs_uniquifier")


def _rename_unique(table: str, old: str, new: str) -> None:
    """Rename a column and its constraint. In one batch SQLite would make the constraint of a column it does not have yet."""
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(f"uq_{table}_{old}", type_="unique")
        batch.alter_column(old, new_column_name=new, existing_type=sa.String(64))
    with op.batch_alter_table(table) as batch:
        batch.create_unique_constraint(f"uq_{table}_{new}", [new])


def _table(name: str, *parts: sa.schema.SchemaItem) -> None:
    """Make a table of what people have: numbered rows that go with their person."""
    op.create_table(
        name,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        *parts,
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{name}_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    op.create_index(f"ix_{name}_user_id", name, ["user_id"])


def _create_audit_log() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("actor_kind", sa.String(20), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("actor_name", sa.String(200), nullable=False),
        sa.Column("actor_address", sa.String(45), nullable=True),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
        sa.CheckConstraint(
            "actor_kind IN ('user', 'key', 'system', 'stranger')", name=op.f("ck_audit_events_actor_kind")
        ),
    )
    op.create_index("ix_audit_events_at_id", "audit_events", ["at", "id"])
    op.create_index("ix_audit_events_action_at_id", "audit_events", ["action", "at", "id"])
    op.create_index(
        "ix_audit_events_actor_kind_actor_id_at_id", "audit_events", ["actor_kind", "actor_id", "at", "id"]
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute("""
            CREATE FUNCTION audit_events_are_kept() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'audit_events is only ever added to'; END $$
        """)
        op.execute("""
            CREATE TRIGGER audit_events_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
            FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_kept()
        """)
        return
    for kind in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_events_no_{kind.lower()} BEFORE {kind} ON audit_events BEGIN "
            "SELECT RAISE(ABORT, 'audit_events is only ever added to'); END"
        )


def _drop_audit_log() -> None:
    op.drop_table("audit_events")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_events_are_kept()")

"""Initial tables, and the index that finds leads by any three letters of a name or an address.

Revision: 0001, the first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alma_leads.database.base import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox_messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=320), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("correlation", sa.String(length=40), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=True),
        sa.Column("sender_name", sa.String(length=100), nullable=False),
        sa.Column("reply_to", sa.String(length=320), nullable=True),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("text_body", sa.Text(), nullable=False),
        sa.Column("html_body", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("queued", "sent", "dead", name="state", native_enum=False, create_constraint=True, length=10),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("lease", sa.String(length=64), nullable=True),
        sa.Column("last_error", sa.String(length=1000), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_messages"),
    )

    op.create_index("ix_outbox_messages_correlation", "outbox_messages", ["correlation"])
    op.create_index(
        "ix_outbox_messages_dead",
        "outbox_messages",
        ["id"],
        postgresql_where=sa.text("state = 'dead'"),
        sqlite_where=sa.text("state = 'dead'"),
    )
    op.create_index(
        "ix_outbox_messages_due",
        "outbox_messages",
        ["due_at", "id"],
        postgresql_where=sa.text("state = 'queued'"),
        sqlite_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_outbox_messages_retrying",
        "outbox_messages",
        ["id"],
        postgresql_where=sa.text("state = 'queued' AND attempts > 0"),
        sqlite_where=sa.text("state = 'queued' AND attempts > 0"),
    )
    op.create_index(
        "ix_outbox_messages_sent",
        "outbox_messages",
        ["id"],
        postgresql_where=sa.text("state = 'sent'"),
        sqlite_where=sa.text("state = 'sent'"),
    )
    op.create_index(
        "ix_outbox_messages_waiting",
        "outbox_messages",
        ["id"],
        postgresql_where=sa.text("state = 'queued' AND attempts = 0"),
        sqlite_where=sa.text("state = 'queued' AND attempts = 0"),
    )

    op.create_table(
        "sign_in_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_attempts"),
    )

    op.create_index("ix_sign_in_attempts_account_at", "sign_in_attempts", ["account", "at"])
    op.create_index("ix_sign_in_attempts_address_at", "sign_in_attempts", ["address", "at"])
    op.create_index("ix_sign_in_attempts_at", "sign_in_attempts", ["at"])

    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "administrator", "attorney", "viewer", name="role", native_enum=False, create_constraint=True, length=20
            ),
            nullable=False,
        ),
        sa.Column("password", sa.String(length=255), nullable=True),
        sa.Column("password_changed_at", UtcDateTime(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("fs_uniquifier", sa.String(length=64), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("theme", sa.String(length=5), nullable=False),
        sa.Column("single_key_shortcuts", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("theme IN ('', 'light', 'dark')", name=op.f("ck_users_theme")),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.UniqueConstraint("fs_uniquifier", name="uq_users_fs_uniquifier"),
    )

    op.create_table(
        "one_time_links",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum("setup", "set_password", name="purpose", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_one_time_links_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_one_time_links"),
        sa.UniqueConstraint("token_hash", name="uq_one_time_links_token_hash"),
    )

    op.create_index("ix_one_time_links_user_id", "one_time_links", ["user_id"])

    op.create_table(
        "prospects",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("attorney_id", sa.Integer(), nullable=True),
        sa.Column("assigned_at", UtcDateTime(), nullable=True),
        sa.Column("lead_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["attorney_id"], ["users.id"], name="fk_prospects_attorney_id_users"),
        sa.PrimaryKeyConstraint("id", name="pk_prospects"),
        sa.UniqueConstraint("email", name="uq_prospects_email"),
    )

    op.create_index("ix_prospects_attorney_id", "prospects", ["attorney_id"])

    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_user_sessions_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_user_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_user_sessions_token_hash"),
    )

    op.create_index("ix_user_sessions_user_id", "user_sessions", ["user_id"])

    op.create_table(
        "leads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("prospect_id", sa.Integer(), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("resume_url", sa.String(length=2048), nullable=True),
        sa.Column(
            "status",
            sa.Enum("PENDING", "REACHED_OUT", name="status", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("attorney_id", sa.Integer(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("confirmation_queued", sa.Boolean(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column(
            "last_name_key",
            sa.String(length=400).with_variant(sa.String(length=400, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("reached_out_at", UtcDateTime(), nullable=True),
        sa.Column("reached_out_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "(status = 'REACHED_OUT') = (reached_out_at IS NOT NULL)", name=op.f("ck_leads_reached_out_at")
        ),
        sa.ForeignKeyConstraint(["attorney_id"], ["users.id"], name="fk_leads_attorney_id_users"),
        sa.ForeignKeyConstraint(["prospect_id"], ["prospects.id"], name="fk_leads_prospect_id_prospects"),
        sa.PrimaryKeyConstraint("id", name="pk_leads"),
    )

    op.create_index("ix_leads_attorney_id_created_at_id", "leads", ["attorney_id", "created_at", "id"])
    op.create_index("ix_leads_attorney_id_status_created_at_id", "leads", ["attorney_id", "status", "created_at", "id"])
    op.create_index("ix_leads_created_at_id", "leads", ["created_at", "id"])
    op.create_index("ix_leads_last_name_key_id", "leads", ["last_name_key", "id"])
    op.create_index("ix_leads_prospect_id_id", "leads", ["prospect_id", "id"])
    op.create_index("ix_leads_status_created_at_id", "leads", ["status", "created_at", "id"])
    op.create_index("ix_leads_updated_at_id", "leads", ["updated_at", "id"])

    op.create_table(
        "idempotency_keys",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=True),
        sa.Column("lead_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name="fk_idempotency_keys_lead_id_leads", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key_hash", name="pk_idempotency_keys"),
    )

    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])

    op.create_table(
        "lead_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor_kind", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("actor_address", sa.String(length=45), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "actor_kind IN ('prospect', 'user', 'key', 'system')", name=op.f("ck_lead_events_actor_kind")
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.id"], name="fk_lead_events_lead_id_leads", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_lead_events"),
    )

    op.create_index("ix_lead_events_lead_id_id", "lead_events", ["lead_id", "id"])

    op.create_table(
        "resumes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("storage_name", sa.String(length=64), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=True),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("discarded_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.id"], name="fk_resumes_lead_id_leads", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_resumes"),
        sa.UniqueConstraint("lead_id", name="uq_resumes_lead_id"),
        sa.UniqueConstraint("storage_name", name="uq_resumes_storage_name"),
    )

    op.create_index(
        "ix_resumes_unattached",
        "resumes",
        ["created_at"],
        postgresql_where=sa.text("lead_id IS NULL"),
        sqlite_where=sa.text("lead_id IS NULL"),
    )

    _create_search()


def downgrade() -> None:
    _drop_search()
    for table in (
        "resumes",
        "lead_events",
        "idempotency_keys",
        "leads",
        "user_sessions",
        "prospects",
        "one_time_links",
        "users",
        "sign_in_attempts",
        "outbox_messages",
    ):
        op.drop_table(table)


def _create_search() -> None:
    """Index `leads.search_text`, which the application has folded, by trigrams."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        op.execute("CREATE INDEX ix_leads_search_text_trgm ON leads USING gin (search_text gin_trgm_ops)")
        return
    op.execute(
        "CREATE VIRTUAL TABLE leads_search USING fts5("
        "search_text, content='leads', content_rowid='id', tokenize='trigram case_sensitive 1')"
    )
    # The trigrams themselves, with how many leads have each: how a search for less than a trigram is answered.
    op.execute("CREATE VIRTUAL TABLE leads_search_terms USING fts5vocab(leads_search, row)")
    op.execute(
        "CREATE TRIGGER leads_search_insert AFTER INSERT ON leads BEGIN "
        "INSERT INTO leads_search (rowid, search_text) VALUES (new.id, new.search_text); END"
    )
    op.execute(
        "CREATE TRIGGER leads_search_delete AFTER DELETE ON leads BEGIN "
        "INSERT INTO leads_search (leads_search, rowid, search_text) VALUES ('delete', old.id, old.search_text); END"
    )
    op.execute(
        "CREATE TRIGGER leads_search_update AFTER UPDATE OF search_text ON leads BEGIN "
        "INSERT INTO leads_search (leads_search, rowid, search_text) VALUES ('delete', old.id, old.search_text); "
        "INSERT INTO leads_search (rowid, search_text) VALUES (new.id, new.search_text); END"
    )


def _drop_search() -> None:
    """Drop the index. The extension stays: others may use it, and dropping it may need more rights."""
    if op.get_context().dialect.name == "postgresql":
        op.drop_index("ix_leads_search_text_trgm", "leads")
        return
    for trigger in ("insert", "delete", "update"):
        op.execute(f"DROP TRIGGER leads_search_{trigger}")
    op.execute("DROP TABLE leads_search_terms")
    op.execute("DROP TABLE leads_search")

"""What workers read from resumes: whether, a picture of the first page, and the text with its words.

Revision: 0017, after 0016.

The files that are there wait to be read like new ones. On SQLite an index of whole words is kept by triggers; the words
are folded by the application, and stand between spaces.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UNREAD = sa.text("preview = 'pending' AND lead_id IS NOT NULL")
COLUMNS = (
    "preview VARCHAR(10) DEFAULT 'pending' NOT NULL "
    "CONSTRAINT ck_resumes_preview CHECK (preview IN ('pending', 'made', 'none'))",
    "preview_tries INTEGER DEFAULT 0 NOT NULL",
    "preview_due_at {moment}",
    "preview_failure VARCHAR(20)",
    "pages INTEGER",
    "picture_width INTEGER",
    "picture_height INTEGER",
)


def upgrade() -> None:
    is_postgresql = op.get_context().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_postgresql else "VARCHAR(27)"
    for column in COLUMNS:
        op.execute(f"ALTER TABLE resumes ADD COLUMN {column.format(moment=moment)}")
    op.create_index("ix_resumes_unread", "resumes", ["id"], postgresql_where=UNREAD, sqlite_where=UNREAD)
    op.create_table(
        "resume_texts",
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql"), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.id"], name="fk_resume_texts_lead_id_leads", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("lead_id", name="pk_resume_texts"),
    )
    if is_postgresql:
        op.create_index("ix_resume_texts_words", "resume_texts", ["words"], postgresql_using="gin")
    else:
        _create_search()


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TABLE resume_texts_search")
    op.drop_table("resume_texts")
    op.drop_index("ix_resumes_unread", "resumes")
    for column in reversed(COLUMNS):
        op.execute(f"ALTER TABLE resumes DROP COLUMN {column.partition(' ')[0]}")


def _create_search() -> None:
    # Letters beyond ASCII are parts of words for this tokenizer, whatever they are: the words are separate already.
    op.execute(
        "CREATE VIRTUAL TABLE resume_texts_search USING fts5("
        "words, content='resume_texts', content_rowid='lead_id', tokenize='ascii', detail=none, columnsize=0)"
    )
    insert = "INSERT INTO resume_texts_search (rowid, words) VALUES (new.lead_id, new.words); "
    delete = (
        "INSERT INTO resume_texts_search (resume_texts_search, rowid, words) "
        "VALUES ('delete', old.lead_id, old.words); "
    )
    for name, when, what in (
        ("insert", "INSERT", insert),
        ("delete", "DELETE", delete),
        ("update", "UPDATE OF words", delete + insert),
    ):
        op.execute(f"CREATE TRIGGER resume_texts_search_{name} AFTER {when} ON resume_texts BEGIN {what}END")

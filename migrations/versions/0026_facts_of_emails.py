"""Keep an email as facts that are rendered when it is sent.

The subject and bodies of messages from before stay and are sent as written. The next release drops their columns.

Revision: 0026, after 0025.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
rewrites = True  # a copy is made before

WRITTEN = (("subject", sa.String(500)), ("text_body", sa.Text()), ("html_body", sa.Text()))


def upgrade() -> None:
    with _keep_triggers(), op.batch_alter_table("outbox_messages") as messages:
        messages.add_column(sa.Column("language", sa.String(35)))
        messages.add_column(sa.Column("facts", sa.JSON()))
        for name, kind in WRITTEN:
            messages.alter_column(name, existing_type=kind, nullable=True)


def downgrade() -> None:
    # The version before cannot render them.
    waiting = sa.text("SELECT count(*) FROM outbox_messages WHERE text_body IS NULL AND state = 'queued'")
    if number := op.get_bind().execute(waiting).scalar():
        raise RuntimeError(f"{number} emails wait that the version before cannot send. Send them: flask outbox deliver")
    op.execute("DELETE FROM outbox_messages WHERE text_body IS NULL AND state = 'dead'")
    for name, _ in WRITTEN:
        op.execute(f"UPDATE outbox_messages SET {name} = '' WHERE {name} IS NULL")
    with _keep_triggers(), op.batch_alter_table("outbox_messages") as messages:
        for name, kind in WRITTEN:
            messages.alter_column(name, existing_type=kind, nullable=False)
        messages.drop_column("facts")
        messages.drop_column("language")


@contextmanager
def _keep_triggers() -> Iterator[None]:
    """Make the triggers anew that go with the table when SQLite rebuilds it."""
    connection = op.get_bind()
    triggers: list[str] = []
    if connection.dialect.name == "sqlite":
        found = sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'outbox_messages'")
        triggers = list(connection.execute(found).scalars())
    yield
    for trigger in triggers:
        op.execute(trigger)

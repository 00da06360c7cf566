"""Index leads by urgency, and let saved views ask for no order by email and no page size.

An order by email and another page size than 50 can no longer be chosen. `ix_leads_due` also holds when a lead came, so
that a list of what is overdue reads nothing else.

Revision: 0028, after 0027.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
rewrites = True  # the queries of saved views

_views = sa.table("saved_views", sa.column("id", sa.Integer), sa.column("query", sa.Text))
_DUE = sa.text("status = 'PENDING' AND due_at IS NOT NULL")


def upgrade() -> None:
    op.create_index("ix_leads_urgency", "leads", ["status", sa.text("coalesce(due_at, created_at)"), "id"])
    op.drop_index("ix_leads_due", "leads")
    _create_due("status", "due_at", "created_at", "id")
    connection = op.get_bind()
    for view in connection.execute(sa.select(_views.c.id, _views.c.query)).all():
        kept = urlencode([pair for pair in parse_qsl(view.query, keep_blank_values=True) if not _is_gone(*pair)])
        if kept != view.query:
            connection.execute(_views.update().where(_views.c.id == view.id).values(query=kept))
    if connection.dialect.name == "postgresql":  # on SQLite the worker does
        op.execute("ANALYZE leads")


def downgrade() -> None:
    op.drop_index("ix_leads_due", "leads")
    _create_due("status", "due_at", "id")
    op.drop_index("ix_leads_urgency", "leads")


def _create_due(*columns: str) -> None:
    op.create_index("ix_leads_due", "leads", columns, postgresql_where=_DUE, sqlite_where=_DUE)


def _is_gone(name: str, value: str) -> bool:
    return name == "limit" or (name == "sort" and value in ("email", "-email"))

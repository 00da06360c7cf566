"""What each lead leaves of a name and an address, for finding the same person again under another spelling.

Revision: 0012, after 0011.
"""

from __future__ import annotations

import orjson
import sqlalchemy as sa
from alembic import op

from alma_leads.leads.conflicts.blocking_keys import blocking_keys

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BATCH = 5000
STORE = {
    "sqlite": """
        INSERT INTO lead_traces (trace, detail, lead_id)
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
        FROM json_each(:traces)
    """,
    "postgresql": """
        INSERT INTO lead_traces (trace, detail, lead_id)
        SELECT each ->> 0, each ->> 1, CAST(each ->> 2 AS integer)
        FROM jsonb_array_elements(CAST(:traces AS jsonb)) each
    """,
}


def upgrade() -> None:
    op.create_table(
        "lead_traces",
        sa.Column("trace", _compared_by_byte(40), nullable=False),
        sa.Column("detail", _compared_by_byte(254), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.id"], name="fk_lead_traces_lead_id_leads", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trace", "detail", "lead_id", name="pk_lead_traces"),
        sqlite_with_rowid=False,
    )
    _fill()
    op.create_index("ix_lead_traces_lead_id", "lead_traces", ["lead_id"])


def downgrade() -> None:
    op.drop_table("lead_traces")


def _compared_by_byte(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _fill() -> None:
    """Work out the traces of the leads that are there. Should the rule change later, that migration makes them anew."""
    bind = op.get_bind()
    batch = sa.text("""
        SELECT l.id, l.first_name, l.last_name, p.email FROM leads l JOIN prospects p ON p.id = l.prospect_id
        WHERE l.id > :last ORDER BY l.id LIMIT :batch
    """)
    last = 0
    while rows := bind.execute(batch, {"last": last, "batch": BATCH}).all():
        traces = [
            (*trace, lead_id)
            for lead_id, first_name, last_name, address in rows
            for trace in blocking_keys(first_name=first_name, last_name=last_name, address=address)
        ]
        bind.execute(sa.text(STORE[bind.dialect.name]), {"traces": orjson.dumps(traces).decode()})
        last = rows[-1][0]

"""Locking a whole table, for when the row that two transactions would both write does not exist yet."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from alma_leads.database.base import Base


def lock_table(session: Session, model: type[Base]) -> None:
    """Keep everyone else from writing to a model's table until the transaction ends. Others can still read it.

    SQLite has one writer at a time and needs no lock. SQLAlchemy has no construct for PostgreSQL's LOCK TABLE.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"LOCK TABLE {model.__tablename__} IN SHARE ROW EXCLUSIVE MODE"))

"""The application's database: `db.session` for reading, `transaction()` for writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, CursorResult, UpdateBase
from sqlalchemy.orm import Session

from alma_leads.database.base import Base
from alma_leads.database.transactions import transaction_on

db = SQLAlchemy(model_class=Base)


@contextmanager
def transaction() -> Iterator[Session]:
    """Open a session for writing. It is committed at the end of the block, and rolled back by any exception.

    Only `*service.py` calls this; a test reads the source to see that it stays so. What `db.session` read before is
    let go of: it would hold a second connection meanwhile, and on SQLite an old snapshot afterwards.
    """
    if db.session.registry.has():  # without one, close() would make a session to close it
        db.session.close()
    with (
        transaction_on(db.engine) as connection,
        # The transaction is the connection's: it begins in the line of SQLite's writers, and may share its commit.
        Session(connection, join_transaction_mode="rollback_only", expire_on_commit=False) as session,
    ):
        yield session
        session.flush()


def count_changed(session: Session | Connection, statement: UpdateBase) -> int:
    """Run an INSERT, UPDATE or DELETE and return how many rows it changed."""
    return cast(CursorResult[Any], session.execute(statement)).rowcount

"""`insert` with ON CONFLICT, for both databases."""

from __future__ import annotations

# PostgreSQL's construct serves SQLite as well: SQLite took the clause from PostgreSQL, and SQLAlchemy compiles it for
# both. Statements need not choose a dialect, and can be built when a module is imported.
from sqlalchemy.dialects.postgresql import insert

__all__ = ["insert"]

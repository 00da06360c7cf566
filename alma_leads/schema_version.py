"""Which version of the tables a database has, which one this code needs, and the way from one to the other."""

from __future__ import annotations

from functools import cache

from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Engine, inspect, text

from alma_leads.database.deadlines import Limits
from alma_leads.database.transactions import reading
from alma_leads.extensions import db


class NewerDatabase(Exception):
    """A newer version of the application has migrated this database; `revision` is what it is called there."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        super().__init__(
            f"DATABASE_URL names a database that a newer version of Alma Lead Manager has migrated (revision "
            f"{revision}); start that version, or restore a backup made before."
        )


@cache
def _scripts(folder: str) -> ScriptDirectory:
    return ScriptDirectory(folder)


def scripts() -> ScriptDirectory:
    """Return the migrations that came with this code."""
    return _scripts(current_app.extensions["migrate"].directory)


def needed_revision() -> str:
    """Return the revision that this code needs."""
    return scripts().get_current_head() or ""


def present_revision(engine: Engine, limits: Limits | None = None) -> str | None:
    """Return the revision that the database is at, or None when it was never migrated.

    Raises:
        sqlalchemy.exc.DBAPIError: the database cannot be reached.
    """
    with reading(engine, limits) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def known_revision(engine: Engine) -> str | None:
    """Return the revision that the database is at, or None when it was never migrated.

    Raises:
        NewerDatabase: this code does not know it.
        sqlalchemy.exc.DBAPIError: the database cannot be reached.
    """
    present = present_revision(engine)
    if present is not None:
        try:
            scripts().get_revision(present)
        except CommandError:
            raise NewerDatabase(present) from None
    return present


def upgrade() -> bool:
    """Bring the database to the revision that this code needs; return whether there was anything to do.

    Raises:
        NewerDatabase: it is at a revision that this code does not know.
        sqlalchemy.exc.DBAPIError: the database cannot be reached, or refuses.
    """
    if known_revision(db.engine) == needed_revision():
        return False
    command.upgrade(current_app.extensions["migrate"].migrate.get_config(), "head")
    return True

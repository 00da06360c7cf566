"""Which version of the tables a database has, which one this code needs, and the way from one to the other."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Engine, inspect, text

from alma_leads.database.deadlines import Limits
from alma_leads.database.engine import keep_private
from alma_leads.database.session import db
from alma_leads.database.transactions import reading


class NewerDatabase(Exception):
    """A newer version of the application has migrated this database; `revision` is what it is called there."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        super().__init__(
            f"DATABASE_URL names a database that a newer version of Alma Lead Manager has migrated (revision "
            f"{revision}); start that version, or restore a backup made before."
        )


class NoRoomForCopy(Exception):
    """There is too little free space for a copy of the database. Sizes in bytes."""

    def __init__(self, copy: Path, *, needed: int, free: int) -> None:
        super().__init__(
            f"This upgrade rewrites tables, and there is no room for a copy of the database ({copy}): it needs "
            f"{2 * needed // 1_000_000 + 1} MB, and {free // 1_000_000} MB are free. Make room and start again."
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


def back_up_before_upgrade() -> str | None:
    """Copy a SQLite database before a migration that drops or rewrites something; return a sentence about it, or None.

    Of PostgreSQL no copy is made: the sentence names the command.

    Raises:
        NoRoomForCopy: there is too little free space beside the database.
    """
    present = known_revision(db.engine)
    if present is None or not _rewrites_after(present):
        return None
    if db.engine.dialect.name != "sqlite":
        address = db.engine.url.set(drivername="postgresql", password=None).render_as_string()
        command_line = f"pg_dump -Fc -f before-{needed_revision()}.dump {address}"
        return f"This upgrade rewrites tables. To go back, you need a backup made before: {command_line}"
    database = Path(str(db.engine.url.database))
    copy = database.with_name(f"{database.stem}-before-{needed_revision()}{database.suffix}")
    if copy.exists():  # an upgrade that was interrupted; what it copied is as good
        return None
    needed, free = database.stat().st_size, shutil.disk_usage(database.parent).free
    if free < 2 * needed:  # the copy, and what the migration itself needs
        raise NoRoomForCopy(copy, needed=needed, free=free)
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as connection:  # of its own: VACUUM works outside transactions only
        connection.execute("VACUUM INTO ?", (str(unfinished),))
    keep_private(str(unfinished))
    unfinished.rename(copy)
    return f"Copied the database to {copy} before the upgrade. Delete it when you don't need it any more."


def _rewrites_after(revision: str) -> bool:
    """Return whether a migration after `revision` says that it drops or rewrites something."""
    return any(getattr(each.module, "rewrites", False) for each in scripts().iterate_revisions("head", revision))


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

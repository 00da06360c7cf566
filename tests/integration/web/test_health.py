"""`/healthz` says that the process lives, `/readyz` that it can serve, or why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.conftest import MakeSettings
from tests.support.pages import StrictClient


def test_ready_when_the_database_is_there_and_migrated(client: StrictClient) -> None:
    for path in ("/healthz", "/readyz"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.is_json
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = 'x'"])
def test_not_ready_when_the_tables_are_of_another_version(client: StrictClient, engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.mimetype == "application/problem+json"
    assert "flask db upgrade" in answer.get_json()["detail"]
    assert client.get("/healthz").status_code == 200


def test_not_ready_when_the_database_cannot_be_reached(make_app, make_settings: MakeSettings, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    url = f"postgresql+psycopg://someone:hidden@/leads?host={tmp_path}"
    client = make_app(make_settings(DATABASE_URL=url)).test_client()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["detail"] == "The database cannot be reached."
    assert client.get("/healthz").status_code == 200

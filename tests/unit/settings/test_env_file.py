"""The first run writes `.env` with secrets of its own, and no run ever takes anything out of it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from alma_leads.settings.env_file import SECRETS, _write_new, ensure_env_file


@pytest.fixture(autouse=True)
def _no_secrets_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)


def test_the_first_run_writes_random_secrets_for_the_owner_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert "Wrote first" in str(ensure_env_file(first))
    ensure_env_file(second)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    made = [*dotenv_values(first).values(), *dotenv_values(second).values()]
    assert len(set(made)) == 4
    assert all(len(str(value)) >= 32 for value in made)


def test_of_several_first_runs_one_writes_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert _write_new(path)
    before = path.read_bytes()
    assert not _write_new(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [".env"]


def test_later_runs_leave_it_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    ensure_env_file(path)
    before = path.read_bytes()
    assert ensure_env_file(path) is None
    assert path.read_bytes() == before


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_missing_secret_is_added(tmp_path: Path, ending: str) -> None:
    path = tmp_path / ".env"
    path.write_text(f"PORT=9000\nSECRET_KEY=mine{ending}")
    assert ensure_env_file(path) == "Added INTERNAL_API_KEY to .env."
    assert path.read_text().startswith("PORT=9000\nSECRET_KEY=mine\n")
    kept = dotenv_values(path)
    assert kept["SECRET_KEY"] == "mine"
    assert len(str(kept["INTERNAL_API_KEY"])) >= 32


def test_nothing_is_added_that_the_environment_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text("PORT=9000\n")
    for name in SECRETS:
        monkeypatch.setenv(name, "theirs")
    assert ensure_env_file(path) is None
    assert path.read_text() == "PORT=9000\n"

"""Statistics for SQLite's planner: collected when there are many more leads, and seen by open connections."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from alma_leads.common.extensions import db
from alma_leads.jobs import statistics_service
from alma_leads.jobs.statistics_service import collect_statistics
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import add_lead


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str) -> Settings:
    """Return settings on SQLite: PostgreSQL collects its statistics itself."""
    return make_settings(DATABASE_URL=sqlite_url)


def test_statistics_are_collected_when_leads_have_doubled(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics_service, "FEWEST_LEADS", 2)
    collected = []
    for _ in range(4):
        add_lead(app)
        with app.app_context():
            collected.append(collect_statistics())
    assert collected == [False, True, False, True]


def test_a_few_leads_need_none(app: Flask) -> None:
    add_lead(app)
    with app.app_context():
        assert not collect_statistics()


def test_postgresql_is_left_alone(
    make_app: Callable[[Settings], Flask],
    make_settings: MakeSettings,
    postgresql_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statistics_service, "FEWEST_LEADS", 1)
    app = make_app(make_settings(DATABASE_URL=postgresql_url))
    add_lead(app)
    with app.app_context():
        assert not collect_statistics()
        assert db.engine.dialect.name == "postgresql"

"""The sweep of each minute. Its parts are tested where they belong; here, that none of them is left out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from alma_leads.database.base import to_stamp, utc_now
from alma_leads.leads.assignments.assignment_file import COLUMNS
from alma_leads.leads.assignments.import_service import preview_import
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import add_person, run, value
from tests.support.first_contact import ROSA
from tests.support.insights import put_lead


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str) -> Settings:
    """Return settings on SQLite alone: whether something is called does not depend on the database."""
    return make_settings(DATABASE_URL=sqlite_url)


def test_it_measures_contact_times_and_forgets_what_is_old(app: Flask) -> None:
    add_person(app)
    put_lead(app, utc_now() - timedelta(days=3), reached=utc_now())
    with app.app_context():
        preview_import(",".join(COLUMNS).encode(), file_name="old.csv", actor=ROSA)
    old = to_stamp(utc_now() - timedelta(days=40))
    run(app, "UPDATE assignment_imports SET made_at = :old", old=old)
    run(
        app,
        "INSERT INTO bulk_actions (kind, up_to, people, leads, actor_kind, actor_name, ready, asked_at, finished_at)"
        " VALUES ('reached_out', 1, 1, 1, 'user', 'Rosa', TRUE, :old, :old)",
        old=old,
    )
    app.extensions["background"].sweep()
    assert value(app, "SELECT count(*) FROM assignment_imports") == 0
    assert value(app, "SELECT count(*) FROM bulk_actions") == 0
    assert value(app, "SELECT count(*) FROM leads WHERE contact_minutes > 0") == 1

"""The sweep of each minute. Its parts are tested where they belong; here, that none of them is left out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert, update

from alma_leads.database.base import utc_now
from alma_leads.leads.assignments.assignment_file import COLUMNS
from alma_leads.leads.assignments.import_service import preview_import
from alma_leads.leads.assignments.models import AssignmentImport
from alma_leads.leads.bulk.models import BulkAction
from alma_leads.leads.core.models import Lead
from config import Settings
from tests.conftest import MakeSettings
from tests.support.desk import add_person, count, run
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
    old = utc_now() - timedelta(days=40)
    run(app, update(AssignmentImport).values(made_at=old))
    action = {"kind": "reached_out", "up_to": 1, "people": 1, "leads": 1, "actor_kind": "user", "actor_name": "Rosa"}
    run(app, insert(BulkAction).values(**action, ready=True, asked_at=old, finished_at=old))
    app.extensions["background"].sweep()
    assert count(app, AssignmentImport) == 0
    assert count(app, BulkAction) == 0
    assert count(app, Lead, Lead.contact_minutes > 0) == 1

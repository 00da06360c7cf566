"""The two logs are only ever added to: the database itself refuses to change them."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import delete
from sqlalchemy.exc import DatabaseError

from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import OPERATOR
from alma_leads.common.extensions import db
from alma_leads.leads.core.models import Lead, LeadEvent
from tests.support.desk import add_lead, count, run, value


@pytest.fixture
def log(app: Flask, request: pytest.FixtureRequest) -> str:
    """Return the name of a log that holds an event."""
    add_lead(app)
    with app.app_context(), db.engine.begin() as connection:
        trail.record(connection, Action.PERSON_ADDED, actor=OPERATOR, subject="Rosa Delgado")
    return str(request.param)


@pytest.mark.parametrize("log", ["audit_events", "lead_events"], indirect=True)
@pytest.mark.parametrize(
    "change",
    ["UPDATE {} SET actor_name = 'Nobody'", "UPDATE {} SET at = at WHERE id = 1", "DELETE FROM {}",
     "DELETE FROM {} WHERE id = 1"],
)  # fmt: skip
def test_nothing_in_a_log_can_be_changed(app: Flask, log: str, change: str) -> None:
    before = value(app, f"SELECT count(*) FROM {log} WHERE actor_name <> 'Nobody'")
    assert before > 0
    with pytest.raises(DatabaseError, match=f"{log} is only ever added to"):
        run(app, change.format(log))
    assert value(app, f"SELECT count(*) FROM {log} WHERE actor_name <> 'Nobody'") == before


@pytest.mark.parametrize("log", ["audit_events", "lead_events"], indirect=True)
def test_a_log_cannot_be_emptied_at_one_stroke(app: Flask, log: str) -> None:
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(DatabaseError, match=f"{log} is only ever added to"):
        run(app, f"TRUNCATE {log}")


def test_the_events_of_a_lead_go_only_with_the_lead(app: Flask) -> None:
    gone, kept = add_lead(app), add_lead(app, email="another@example.com")
    run(app, delete(Lead).where(Lead.id == gone))
    assert count(app, LeadEvent, LeadEvent.lead_id == gone) == 0
    assert count(app, LeadEvent, LeadEvent.lead_id == kept) > 0

"""The working time to first contact is stored with a mark, and measured by the worker where it is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from alma_leads.common.extensions import db
from alma_leads.leads.core.models import Lead
from alma_leads.leads.first_contact import contact_time_service
from alma_leads.leads.first_contact.contact_time_service import measure_contact_times
from alma_leads.leads.first_contact.models import FirstContactClock
from alma_leads.leads.first_contact.status_service import mark_reached_out
from tests.conftest import TestClock
from tests.support.first_contact import ROSA, set_clock
from tests.support.insights import put_lead

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FRIDAY_FOUR_PM = datetime(2026, 11, 20, 15, tzinfo=UTC)  # at the firm, which is in Berlin
MONDAY = FRIDAY_FOUR_PM + timedelta(days=3)


def stored(app: Flask) -> list[int | None]:
    """Return the minutes of all leads that have been measured by the present hours; None for others."""
    with app.app_context():
        version = db.session.scalars(select(FirstContactClock.version)).one()
        rows = db.session.execute(select(Lead.contact_minutes, Lead.clock_version).order_by(Lead.id))
        return [row.contact_minutes if row.clock_version == version else None for row in rows]


@pytest.fixture
def berlin(app: Flask, clock: TestClock) -> Flask:
    """Return the application of a firm that works from nine to five in Berlin."""
    clock.now = NOW
    set_clock(app)
    return app


def test_a_mark_stores_the_working_time_until_it(berlin: Flask, clock: TestClock) -> None:
    lead = put_lead(berlin, FRIDAY_FOUR_PM)
    clock.now = MONDAY + timedelta(seconds=59)
    with berlin.app_context():
        mark_reached_out(lead, actor=ROSA)
    assert stored(berlin) == [8 * 60]


def test_a_mark_of_all_leads_of_a_prospect_measures_each(berlin: Flask, clock: TestClock) -> None:
    lead = put_lead(berlin, FRIDAY_FOUR_PM)
    put_lead(berlin, MONDAY - timedelta(hours=1))
    put_lead(berlin, MONDAY, email="other@example.com")
    clock.now = MONDAY
    with berlin.app_context():
        mark_reached_out(lead, actor=ROSA, with_siblings=True)
    assert stored(berlin)[:2] == [8 * 60, 60]
    assert stored(berlin)[2] is None


def test_the_worker_measures_leads_of_before(berlin: Flask) -> None:
    put_lead(berlin, FRIDAY_FOUR_PM, reached=MONDAY)
    put_lead(berlin, FRIDAY_FOUR_PM)
    assert stored(berlin) == [None, None]
    with berlin.app_context():
        assert measure_contact_times() == 1
        assert measure_contact_times() == 0
    assert stored(berlin) == [8 * 60, None]


def test_when_the_hours_change_all_is_measured_again(berlin: Flask) -> None:
    put_lead(berlin, FRIDAY_FOUR_PM, reached=MONDAY)
    with berlin.app_context():
        measure_contact_times()
        set_clock(berlin, weekdays=frozenset({1, 2, 3, 4, 5, 6}))
        assert measure_contact_times() == 1
    assert stored(berlin) == [16 * 60]


def test_many_are_measured_in_batches_by_several_at_once(berlin: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_time_service, "BATCH", 3)
    for number in range(20):
        put_lead(berlin, FRIDAY_FOUR_PM, email=f"p{number}@example.com", reached=MONDAY)

    def measure(_: int) -> int:
        with berlin.app_context():
            return measure_contact_times()

    with ThreadPoolExecutor(3) as workers:
        list(workers.map(measure, range(3)))
    measure(0)  # what one of them had locked when another looked
    assert stored(berlin) == [8 * 60] * 20


def test_what_takes_too_long_is_left_to_the_next_sweep(berlin: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_time_service, "MEASURE_FOR_S", -1.0)
    put_lead(berlin, FRIDAY_FOUR_PM, reached=MONDAY)
    with berlin.app_context():
        assert measure_contact_times() == 0
        monkeypatch.undo()
        assert measure_contact_times() == 1


def test_a_lead_that_somebody_changes_is_left_to_the_next_batch(berlin: Flask) -> None:
    lead = put_lead(berlin, FRIDAY_FOUR_PM, reached=MONDAY)
    with berlin.app_context():
        if db.engine.dialect.name == "sqlite":
            pytest.skip("On SQLite whoever writes is alone")
        with db.engine.begin() as other:
            other.execute(update(Lead).where(Lead.id == lead).values(last_name="Changed"))
            assert measure_contact_times() == 0
        assert measure_contact_times() == 1

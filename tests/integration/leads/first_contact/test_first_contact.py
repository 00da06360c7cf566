"""The first contact clock: what a lead is given when it comes in, and when the firm changes its mind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Select, literal_column, select, update

from alma_leads.audit.models import AuditEvent
from alma_leads.common.extensions import db
from alma_leads.database.base import from_stamp, to_stamp
from alma_leads.leads.core.models import Lead
from alma_leads.leads.first_contact import recalculation_service
from alma_leads.leads.first_contact.models import FirstContactClock
from alma_leads.leads.first_contact.recalculation_service import count_stale_leads, recalculate
from alma_leads.leads.first_contact.settings_service import change_settings, get_settings
from alma_leads.leads.first_contact.status_service import mark_reached_out
from alma_leads.leads.listing.filters import LeadFilter
from alma_leads.leads.listing.query import leads_query
from alma_leads.leads.notes.note_service import add_note
from tests.conftest import TestClock
from tests.support.desk import add_lead, count, run, value
from tests.support.first_contact import ROSA, firm, set_clock
from tests.support.plans import query_plan


@pytest.fixture(autouse=True)
def tuesday(clock: TestClock) -> None:
    """Begin on a Tuesday, at ten in Berlin."""
    clock.set("2026-11-24T10:00+01:00")


def moments(app: Flask, lead_id: int) -> tuple[Any, ...]:
    """Return the columns of the clock: stamps without seconds, and the number of reminders."""
    with app.app_context():
        lead = db.session.get_one(Lead, lead_id)
    times = (lead.amber_at, lead.due_at, lead.remind_at)
    return *(time and to_stamp(time)[:16] for time in times), lead.reminders


def test_without_a_target_nothing_is_ever_due(app: Flask) -> None:
    assert moments(app, add_lead(app)) == (None, None, None, 0)
    with app.app_context():
        assert get_settings().target is None


def test_a_lead_is_given_its_moments_when_it_comes_in(app: Flask, clock: TestClock) -> None:
    set_clock(app)
    assert moments(app, add_lead(app)) == ("2026-11-24T13:00", "2026-11-25T09:00", "2026-11-25T09:00", 0)
    clock.set("2026-11-27T20:00+01:00")  # Friday night
    assert moments(app, add_lead(app)) == ("2026-11-30T12:00", "2026-11-30T16:00", "2026-11-30T16:00", 0)


def test_a_change_holds_for_the_very_next_lead_and_for_those_that_wait(app: Flask) -> None:
    set_clock(app)
    waiting, reached = add_lead(app), add_lead(app)
    with app.app_context():
        mark_reached_out(reached, actor=ROSA)
        assert change_settings(firm(target=16, amber=8), actor=ROSA)
        assert count_stale_leads() == 1
    new = add_lead(app)
    assert moments(app, new)[1] == "2026-11-26T09:00"
    assert moments(app, waiting)[1] == "2026-11-25T09:00", "the request leaves this to the worker"
    with app.app_context():
        assert recalculate() == 1
        assert count_stale_leads() == 0
        assert recalculate() == 0
    assert moments(app, waiting) == ("2026-11-25T09:00", "2026-11-26T09:00", "2026-11-26T09:00", 0)
    assert moments(app, reached)[1] == "2026-11-25T09:00", "what is over keeps what it was measured by"
    set_clock(app, target=None)
    assert moments(app, waiting) == (None, None, None, 0)


def test_saving_what_is_set_already_changes_nothing(app: Flask) -> None:
    set_clock(app)
    with app.app_context():
        assert not change_settings(firm(), actor=ROSA)
    assert value(app, select(FirstContactClock.version)) == 1
    assert count(app, AuditEvent, AuditEvent.action == "first_contact_set") == 1


def test_what_is_past_when_the_target_is_set_is_not_written_about(app: Flask, clock: TestClock) -> None:
    long_ago = add_lead(app)
    clock.set("2026-11-26T10:00+01:00")
    lately = add_lead(app)
    clock.set("2026-11-27T12:00+01:00")
    today = add_lead(app)
    set_clock(app)
    assert moments(app, long_ago)[1:] == ("2026-11-25T09:00", None, 2)
    assert moments(app, lately)[1:] == ("2026-11-27T09:00", "2026-11-30T09:00", 1), "only the helpdesk, when it is time"
    assert moments(app, today)[1:] == ("2026-11-30T11:00", "2026-11-30T11:00", 0)


def test_a_reminder_that_was_due_already_is_kept(app: Flask, clock: TestClock) -> None:
    set_clock(app)
    lead_id = add_lead(app)
    clock.set("2026-11-25T12:00+01:00")
    set_clock(app, target=6, amber=1)
    assert moments(app, lead_id)[1:] == ("2026-11-24T15:00", "2026-11-25T09:00", 0)


def test_whoever_acts_is_not_reminded_after_a_change_either(app: Flask) -> None:
    set_clock(app)
    lead_id = add_lead(app)
    with app.app_context():
        add_note(lead_id, text="Called, no answer", actor=ROSA)
    assert moments(app, lead_id)[1:] == ("2026-11-25T09:00", None, 2)
    set_clock(app, target=16)
    assert moments(app, lead_id)[1:] == ("2026-11-26T09:00", None, 2)


def test_many_are_recalculated_in_batches_by_several_at_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalculation_service, "BATCH", 3)
    leads = [add_lead(app) for _ in range(20)]
    with app.app_context():
        change_settings(firm(), actor=ROSA)

    def work() -> int:
        with app.app_context():
            return recalculate()

    with ThreadPoolExecutor(3) as pool:
        done = sum(each.result() for each in [pool.submit(work) for _ in range(3)])
    work()  # those passed over, because another held them
    assert done <= 20, "none was given its moments twice"
    assert {moments(app, lead_id)[1] for lead_id in leads} == {"2026-11-25T09:00"}


def test_a_recalculation_that_is_cut_short_is_taken_up_again(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalculation_service, "BATCH", 2)
    leads = [add_lead(app) for _ in range(5)]
    with app.app_context():
        change_settings(firm(), actor=ROSA)
        with monkeypatch.context() as patch:
            patch.setattr(recalculation_service, "RECALCULATE_FOR_S", -1.0)
            assert recalculate() == 0
        assert recalculation_service._recalculate_batch() == 2
        assert count_stale_leads() == 3
        assert recalculate() == 3
    assert {moments(app, lead_id)[1] for lead_id in leads} == {"2026-11-25T09:00"}


def test_a_lead_that_changes_meanwhile_is_left_as_it_is(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    lead_id = add_lead(app)
    with app.app_context():
        change_settings(firm(), actor=ROSA)
        found = recalculation_service._moments

        def mark_first(*args: Any, **kwargs: Any) -> Any:
            mark_reached_out(lead_id, actor=ROSA)
            return found(*args, **kwargs)

        monkeypatch.setattr(recalculation_service, "_moments", mark_first)
        assert recalculate() == 0
    assert moments(app, lead_id) == (None, None, None, 2)


IS_PENDING = Lead.status == literal_column("'PENDING'")
NINE = from_stamp("2026-11-25T09:00:00.000000Z")


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (select(Lead.id).where(IS_PENDING, Lead.remind_at <= NINE).order_by(Lead.remind_at, Lead.id), "remind"),
        (recalculation_service._STALE.params(version=7, limit=500), "clock_version"),
    ],
)
def test_looking_for_what_is_due_walks_an_index(app: Flask, query: Select[int], index: str) -> None:
    plan = query_plan(app, query.limit(50), with_indexes=True)
    assert f"ix_leads_{index}" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


def test_the_list_of_overdue_leads_reads_no_others(app: Flask) -> None:
    with app.app_context():
        overdue = leads_query(LeadFilter(overdue_at=to_stamp(NINE), sort="due"))
    # SQLite reads those that are overdue and sorts them; PostgreSQL may walk the order instead.
    plan = query_plan(app, overdue.limit(50), with_indexes=True)
    assert "ix_leads_due" in plan or "ix_leads_urgency" in plan


def test_submitting_asks_the_database_no_more_than_before(app: Flask) -> None:
    set_clock(app)
    add_lead(app)
    run(app, update(FirstContactClock).values(target_minutes=60, amber_minutes=30))  # behind the version's back
    assert moments(app, add_lead(app))[1] == "2026-11-25T09:00", "the settings were not read again"

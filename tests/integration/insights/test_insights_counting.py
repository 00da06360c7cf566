"""What is counted day by day is what the leads come to one by one, whatever changes, moves or is killed meanwhile."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alma_leads.database.base import to_stamp
from alma_leads.database.raw import Sql
from alma_leads.extensions import db
from alma_leads.insights import count_service, counting
from alma_leads.insights.count_service import count_days
from alma_leads.insights.counting import Figures
from alma_leads.insights.spread import Spread
from alma_leads.leads.assignments.assignment_service import assign
from alma_leads.leads.core.status_service import mark_reached_out
from alma_leads.outbox.queue import retry_dead
from tests.conftest import TestClock
from tests.support.desk import add_lead, add_person, run, value
from tests.support.first_contact import ROSA, firm, set_clock
from tests.support.insights import ByDay, by_hand, put_lead, stored

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MARK = "UPDATE leads SET status = 'REACHED_OUT', reached_out_at = :at WHERE id = :id AND status = 'PENDING'"
ZONES = ["Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles"]


def leads_only(found: ByDay) -> ByDay:
    """Leave out mail, and days without leads."""
    return {key: each for key, each in found.items() if key[1] != "mail" and each.number}


def check(app: Flask, zone: str) -> None:
    """Compare all that is counted with what the leads come to."""
    with app.app_context():
        count_days()
    expected, months = by_hand(app, firm(zone=zone).working), defaultdict[Any, Figures](Figures)
    over = counting.last_day_over(firm(zone=zone).working, NOW)
    expected = {key: each for key, each in expected.items() if key[0] <= over}
    assert leads_only(stored(app)) == expected
    for (day, facet, subject), each in expected.items():
        if day.replace(day=1) != over.replace(day=1):
            months[day.replace(day=1), facet, subject].add(each)
    assert leads_only(stored(app, "month")) == months


@hypothesis_settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(random=st.randoms(use_true_random=False))
def test_random_work_is_counted_right(app: Flask, clock: TestClock, random: Random) -> None:
    clock.now = NOW
    for table in ("leads", "prospects", "insight_tallies", "insight_stale_moments", "users"):
        run(app, f"DELETE FROM {table}")
    people = [add_person(app, f"Attorney {number}") for number in range(2)]
    zone = random.choice(ZONES)
    set_clock(app, zone=zone)
    numbers = []
    for _ in range(random.randint(1, 20)):
        at = NOW - timedelta(seconds=random.randint(0, 100 * 86400))
        lead = put_lead(
            app,
            at,
            email=f"p{random.randint(0, 9)}@example.com",
            attorney=random.choice([None, *people]),
            source=random.choice(["form", "api", None]),
            reached=random.choice([None, at + timedelta(seconds=random.randint(0, 10 * 86400))]),
        )
        numbers.append(lead)
    for _ in range(random.randint(5, 25)):
        match random.randint(0, 4):
            case 0:
                run(app, MARK, id=random.choice(numbers), at=to_stamp(NOW))
            case 1:
                who = random.choice([None, *people])
                run(app, "UPDATE leads SET attorney_id = :who WHERE id = :id", who=who, id=random.choice(numbers))
            case 2:
                zone = random.choice(ZONES)
                set_clock(app, zone=zone)
            case _:
                with app.app_context():
                    count_service._count_batch()
    check(app, zone)


def test_use_cases_leave_a_note(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    attorney = add_person(app)
    add_lead(app, days_ago=3, email="a@example.com")
    add_lead(app, days_ago=40, email="b@example.com")
    with app.app_context():
        count_days()
        mark_reached_out(1, actor=ROSA)
        assign("b@example.com", attorney_email="rosa.delgado@alma.example", actor=ROSA)
        assert value(app, "SELECT count(*) FROM insight_stale_moments") == 2
        count_days()
    assert value(app, "SELECT count(*) FROM insight_stale_moments") == 0
    found = stored(app)
    assert found[date(2026, 11, 21), "all", ""].reached == 1
    assert found[date(2026, 10, 15), "attorney", str(attorney)].number == 1
    months = stored(app, "month")
    assert months[date(2026, 10, 1), "attorney", str(attorney)].number == 1
    assert months[date(2026, 10, 1), "all", ""].number == 1


def test_notes_of_today_hide_no_older_ones(app: Flask, clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.now = NOW
    monkeypatch.setattr(count_service, "_NOTES", Sql("SELECT id, at FROM insight_stale_moments ORDER BY id LIMIT 2"))
    old = put_lead(app, NOW - timedelta(days=3))
    new = [put_lead(app, NOW) for _ in range(2)]
    with app.app_context():
        count_days()
        for number in (*new, old):
            run(app, MARK, id=number, at=to_stamp(NOW))
        for _ in range(2):
            count_days()
        assert stored(app)[date(2026, 11, 21), "all", ""].reached == 1
    assert value(app, "SELECT count(*) FROM insight_stale_moments") == 0


def test_new_leads_leave_no_note(app: Flask) -> None:
    add_lead(app)
    assert value(app, "SELECT count(*) FROM insight_stale_moments") == 0


def test_mail_counts_for_the_day_it_was_settled(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    add_lead(app, days_ago=3)
    settled = to_stamp(NOW - timedelta(days=2))
    run(app, "UPDATE outbox_messages SET state = 'sent', attempts = 1, settled_at = :at WHERE id = 1", at=settled)
    run(app, "UPDATE outbox_messages SET state = 'dead', attempts = 9, settled_at = :at WHERE id = 2", at=settled)
    with app.app_context():
        count_days()
        found = stored(app)
        assert {key[2]: each.number for key, each in found.items() if key[1] == "mail"} == {"first": 1, "dead": 1}
        retry_dead(db.engine, actor=ROSA)
        count_days()
        found = stored(app)
    assert {key[2]: each.number for key, each in found.items() if key[1] == "mail"} == {"first": 1}


def test_a_day_is_counted_an_hour_after_its_end(app: Flask, clock: TestClock) -> None:
    put_lead(app, NOW)
    with app.app_context():
        clock.now = datetime(2026, 11, 25, 0, 59, tzinfo=UTC)
        assert count_days() == 0
        clock.now = datetime(2026, 11, 25, 1, 1, tzinfo=UTC)
        assert count_days() == 1
        assert count_days() == 0
    assert stored(app)[date(2026, 11, 24), "all", ""].number == 1


def test_a_first_day_that_is_not_over_further_west_is_forgotten_there(app: Flask, clock: TestClock) -> None:
    clock.now = NOW  # in Auckland the day before has been over for an hour, in Los Angeles it has just begun
    set_clock(app, zone="Pacific/Auckland")
    put_lead(app, NOW - timedelta(hours=2))
    with app.app_context():
        assert count_days() == 1
        set_clock(app, zone="America/Los_Angeles")
        assert count_days() == 0
        assert stored(app) == {}
        clock.forward(hours=24)
        assert count_days() == 1
    assert stored(app)[date(2026, 11, 24), "all", ""].number == 1


def test_a_day_without_leads_is_counted_too(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    put_lead(app, NOW - timedelta(days=90))
    with app.app_context():
        assert count_days() == 90
    assert stored(app)[date(2026, 9, 9), "all", ""].number == 0
    assert set(stored(app, "month")) == {
        (date(2026, 8, 1), "all", ""),
        (date(2026, 8, 1), "attorney", "0"),
        (date(2026, 8, 1), "source", "form"),
        (date(2026, 9, 1), "all", ""),
        (date(2026, 10, 1), "all", ""),
    }


def test_of_two_who_count_at_once_none_overwrites_newer_figures(
    app: Flask, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.now = NOW
    lead = put_lead(app, NOW - timedelta(days=3))
    real = counting.count_day
    overtaken = threading.Event()

    def be_overtaken(*args: Any) -> Any:
        found = real(*args)
        if not overtaken.is_set():
            overtaken.set()
            run(app, MARK, at=to_stamp(NOW), id=lead)
            other = threading.Thread(target=in_context(app, count_days))
            other.start()
            other.join()
        return found

    monkeypatch.setattr(count_service, "count_day", be_overtaken)
    with app.app_context():
        count_days()
    assert stored(app)[date(2026, 11, 21), "all", ""].reached == 1


def in_context(app: Flask, call: Callable[[], object]) -> Callable[[], None]:
    """Return `call` for a thread, which has no context of its own."""

    def inside() -> None:
        with app.app_context():
            call()

    return inside


def test_what_fails_in_the_middle_leaves_all_as_it_was(
    app: Flask, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.now = NOW
    lead = put_lead(app, NOW - timedelta(days=3))
    with app.app_context():
        count_days()
        before = stored(app)
        run(app, MARK, at=to_stamp(NOW), id=lead)
        with monkeypatch.context() as broken:
            broken.setattr(count_service, "_DROP_NOTES", None)
            with pytest.raises(AttributeError):
                count_days()
        assert stored(app) == before
        count_days()
        assert stored(app)[date(2026, 11, 21), "all", ""].reached == 1


def test_all_can_be_counted_anew(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    put_lead(app, NOW - timedelta(days=70), reached=NOW)
    with app.app_context():
        count_days()
        right = stored(app), stored(app, "month")
    run(app, "UPDATE insight_tallies SET number = 7")
    said = app.test_cli_runner().invoke(args=["insights", "recount"])
    assert (said.exit_code, said.output) == (0, "70 days counted.\n")
    assert (stored(app), stored(app, "month")) == right


def test_time_to_first_contact_is_working_time(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    set_clock(app)
    friday_four_pm = datetime(2026, 11, 20, 15, tzinfo=UTC)
    put_lead(app, friday_four_pm, reached=friday_four_pm + timedelta(days=3))
    with app.app_context():
        count_days()
    assert stored(app)[date(2026, 11, 20), "all", ""].contact == Spread.of([8 * 3600])


def test_when_the_hours_change_all_is_measured_anew(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    set_clock(app)
    friday_four_pm = datetime(2026, 11, 20, 15, tzinfo=UTC)
    put_lead(app, friday_four_pm, reached=friday_four_pm + timedelta(days=3))
    with app.app_context():
        count_days()
        set_clock(app, weekdays=frozenset({1, 2, 3, 4, 5, 6}))
        assert count_days() > 0
    assert stored(app)[date(2026, 11, 20), "all", ""].contact == Spread.of([16 * 3600])

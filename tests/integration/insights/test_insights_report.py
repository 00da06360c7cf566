"""What a report says of any period is what the leads of its days come to, one by one."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from flask import Flask

from alma_leads.database.base import utc_now
from alma_leads.database.transactions import reading
from alma_leads.extensions import db
from alma_leads.insights.count_service import count_days
from alma_leads.insights.counting import Figures
from alma_leads.insights.periods import Step, Stretch, TooManyColumns, columns
from alma_leads.insights.report import AGES, Present, Report, make_report
from tests.conftest import TestClock
from tests.support.desk import add_person, run, value
from tests.support.first_contact import firm, set_clock
from tests.support.insights import ByDay, by_hand, put_lead

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY = date(2026, 11, 24)


def report_of(app: Flask, period: Stretch, step: Step) -> Report:
    """Return the report of a period."""
    with app.app_context(), reading(db.engine) as connection:
        present = Present(connection, firm().working, utc_now())
        return make_report(connection, present, period, columns(period, step), step)


def put_many(app: Flask, random: Random, people: list[int], number: int = 150) -> None:
    """Store leads of the last 400 days."""
    for _ in range(number):
        at = NOW - timedelta(seconds=random.randint(0, 400 * 86400))
        reached = random.choice([None, min(NOW, at + timedelta(seconds=random.randint(0, 10 * 86400)))])
        who, email = random.choice([None, *people]), f"p{random.randint(0, 60)}@example.com"
        put_lead(app, at, email=email, attorney=who, source=random.choice(["form", "api", None]), reached=reached)


def total(found: ByDay, period: Stretch, facet: str) -> dict[str, Figures]:
    """Return what the leads of a period come to, by subject."""
    sums: defaultdict[str, Figures] = defaultdict(Figures)
    for (day, each, subject), figures in found.items():
        if each == facet and period.since <= day <= period.until:
            sums[subject].add(figures)
    return dict(sums)


def test_a_report_is_what_the_leads_come_to(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    random = Random(20261124)
    people = [add_person(app, "Rosa Delgado"), add_person(app, "Daniel Kim")]
    set_clock(app)
    put_many(app, random, people)
    with app.app_context():
        count_days()
    found = by_hand(app, firm().working)
    first = min(day for day, *_ in found)
    for _ in range(25):
        since = first + timedelta(days=random.randint(0, (TODAY - first).days))
        period = Stretch(since, since + timedelta(days=random.randint(0, (TODAY - since).days)))
        step = random.choice(list(Step))
        try:
            report = report_of(app, period, step)
        except TooManyColumns:
            continue
        assert report.leads == total(found, period, "all").get("", Figures())
        assert report.missing == 0
        for column in report.columns:
            assert column.leads == total(found, column.days, "all").get("", Figures())
        names = {str(people[0]): "Rosa Delgado", str(people[1]): "Daniel Kim", "0": ""}
        by_attorney = {names[subject]: each for subject, each in total(found, period, "attorney").items()}
        assert {each.name: each.figures for each in report.attorneys} == by_attorney
        assert {each.door: each.figures for each in report.sources} == total(found, period, "source")


def test_who_waits_is_counted_by_days(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    put_many(app, Random(1), [])
    for days in (0, 1, 2, 3, 4, 5, 6, 7, 29, 30, 31):
        put_lead(app, NOW - timedelta(days=days))
    expected = [
        value(
            app,
            "SELECT count(*) FROM leads WHERE status = 'PENDING' AND created_at >= :since AND created_at < :until",
            since=f"{TODAY - timedelta(days=9999 if last is None else last)}T00:00:00.000000Z",
            until=f"{TODAY - timedelta(days=first - 1)}T00:00:00.000000Z",
        )
        for first, last in AGES
    ]
    with app.app_context():
        set_clock(app, zone="UTC")
        count_days()
    with app.app_context(), reading(db.engine) as connection:
        assert Present(connection, firm(zone="UTC").working, utc_now()).waiting(connection) == expected
    assert sum(expected) > 20


@pytest.fixture
def started(app: Flask, clock: TestClock) -> Flask:
    """Return an application with a lead of ten days ago, and one of today, of which nothing was counted yet."""
    clock.now = NOW
    set_clock(app)
    put_lead(app, NOW - timedelta(days=10))
    put_lead(app, NOW)
    return app


def test_today_is_counted_at_once_and_what_is_missing_is_said(started: Flask) -> None:
    report = report_of(started, Stretch(TODAY - timedelta(days=10), TODAY), Step.DAY)
    assert (report.leads.number, report.missing) == (1, 10)
    with started.app_context():
        count_days()
    report = report_of(started, Stretch(TODAY - timedelta(days=10), TODAY), Step.DAY)
    assert (report.leads.number, report.missing) == (2, 0)


def test_mail_stands_in_the_column_of_its_day(started: Flask) -> None:
    run(
        started,
        "INSERT INTO outbox_messages (message_id, kind, correlation, sender_name, subject, text_body, html_body, state,"
        " attempts, due_at, created_at, settled_at) VALUES ('m', 'k', '', '', '', '', '', 'sent', 2, :at, :at, :at)",
        at="2026-11-20T10:00:00.000000Z",
    )
    with started.app_context():
        count_days()
    report = report_of(started, Stretch(TODAY - timedelta(days=10), TODAY), Step.WEEK)
    assert [column.mail.retried for column in report.columns] == [0, 1, 0]
    assert (report.mail.sent, report.mail.total) == (1, 1)

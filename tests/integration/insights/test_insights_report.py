"""What a report says of any period is what the leads of its days come to, one by one."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from alma_leads.common.extensions import db
from alma_leads.insights.metrics import Metrics
from alma_leads.insights.periods import Bucket, DateRange, TooManyColumns, columns
from alma_leads.insights.report import AGES, Report, first_day, make_report
from alma_leads.leads.assignments.assignment_service import assign
from alma_leads.leads.core.models import Lead
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.first_contact.contact_time_service import measure_contact_times
from alma_leads.leads.first_contact.settings_service import get_settings
from alma_leads.leads.first_contact.status_service import mark_reached_out
from alma_leads.outbox.models import MessageState, OutboxMessage
from alma_leads.outbox.queue import retry_failed
from tests.conftest import TestClock
from tests.support.desk import add_person
from tests.support.first_contact import ROSA, firm, set_clock
from tests.support.insights import ByDay, by_hand, merge, put_lead

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY = date(2026, 11, 24)
ZONES = ["Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles"]


def report_of(app: Flask, period: DateRange, bucket: Bucket) -> Report:
    """Return the report of a period."""
    with app.app_context():
        settings = get_settings()
        first = first_day(settings.working)
        assert first is not None
        return make_report(settings, columns(period, bucket), first=first, today=settings.working.day_of(NOW))


def put_many(app: Flask, random: Random, people: list[int], number: int = 150) -> None:
    """Store leads of the last 400 days."""
    for _ in range(number):
        at = NOW - timedelta(seconds=random.randint(0, 400 * 86400))
        reached = random.choice([None, min(NOW, at + timedelta(seconds=random.randint(0, 10 * 86400)))])
        who, email = random.choice([None, *people]), f"p{random.randint(0, 60)}@example.com"
        put_lead(app, at, email=email, attorney=who, source=random.choice(["form", "api", None]), reached=reached)


def total(found: ByDay, period: DateRange, facet: str) -> dict[str, Metrics]:
    """Return what the leads of a period come to, by subject."""
    sums: defaultdict[str, Metrics] = defaultdict(Metrics)
    for (day, each, subject), metrics in found.items():
        if each == facet and period.since <= day <= period.until:
            merge(sums[subject], metrics)
    return dict(sums)


def without_returning(metrics: Metrics) -> Metrics:
    """Return metrics that do not say who had written before: nobody asks that of an attorney's."""
    metrics.returning = 0
    return metrics


@pytest.mark.parametrize("zone", ZONES)
def test_a_report_is_what_the_leads_come_to(app: Flask, clock: TestClock, zone: str) -> None:
    clock.now = NOW
    random = Random(f"20261124 {zone}")
    people = [add_person(app, "Rosa Delgado"), add_person(app, "Daniel Kim")]
    set_clock(app, zone=zone)
    put_many(app, random, people)
    with app.app_context():
        measure_contact_times()
    found, today = by_hand(app, firm(zone=zone).working), firm(zone=zone).working.day_of(NOW)
    first = min(day for day, *_ in found)
    for _ in range(25):
        since = first + timedelta(days=random.randint(0, (today - first).days))
        period = DateRange(since, since + timedelta(days=random.randint(0, (today - since).days)))
        bucket = random.choice(list(Bucket))
        try:
            report = report_of(app, period, bucket)
        except TooManyColumns:
            continue
        assert report.leads == total(found, period, "all").get("", Metrics())
        for column in report.columns:
            assert column.leads == total(found, column.days, "all").get("", Metrics())
        names = {str(people[0]): "Rosa Delgado", str(people[1]): "Daniel Kim", "0": ""}
        by_attorney = {
            names[subject]: without_returning(each) for subject, each in total(found, period, "attorney").items()
        }
        assert {each.name: each.metrics for each in report.attorneys} == by_attorney
        by_source = {subject: each.number for subject, each in total(found, period, "source").items()}
        assert {each.channel: each.number for each in report.sources} == by_source


def test_a_change_is_in_the_figures_at_once(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    set_clock(app)
    attorney = add_person(app, "Rosa Delgado")
    assert attorney
    lead = put_lead(app, NOW - timedelta(days=40), email="a@example.com")
    period = DateRange(TODAY - timedelta(days=50), TODAY)
    report = report_of(app, period, Bucket.MONTH)
    assert (report.leads.number, report.leads.reached) == (1, 0)
    with app.app_context():
        mark_reached_out(lead, actor=ROSA)
        assign("a@example.com", attorney_email="rosa.delgado@alma.example", actor=ROSA)
    report = report_of(app, period, Bucket.MONTH)
    assert (report.leads.reached, report.leads.unmeasured) == (1, 0)
    assert [each.name for each in report.attorneys] == ["Rosa Delgado"]


def test_leads_that_are_not_measured_are_counted_apart(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    set_clock(app)
    put_lead(app, NOW - timedelta(days=4), reached=NOW - timedelta(days=3))
    period = DateRange(TODAY - timedelta(days=5), TODAY)
    report = report_of(app, period, Bucket.DAY)
    assert (report.leads.reached, report.leads.unmeasured, report.leads.percentile_s(0.5)) == (1, 1, None)
    with app.app_context():
        measure_contact_times()
    assert report_of(app, period, Bucket.DAY).leads.percentile_s(0.5) == 4 * 3600
    set_clock(app, opens=600)
    report = report_of(app, period, Bucket.DAY)
    assert (report.leads.unmeasured, report.leads.percentile_s(0.5)) == (1, None)


def test_who_waits_is_counted_by_days(app: Flask, clock: TestClock) -> None:
    clock.now = NOW
    put_many(app, Random(1), [])
    for days in (0, 1, 2, 3, 4, 5, 6, 7, 29, 30, 31):
        put_lead(app, NOW - timedelta(days=days))
    midnight = NOW.replace(hour=0)
    set_clock(app, zone="UTC")
    with app.app_context():
        expected = [
            db.session.scalar(
                select(func.count())
                .select_from(Lead)
                .where(
                    Lead.status == LeadStatus.PENDING,
                    Lead.created_at >= midnight - timedelta(days=9999 if last is None else last),
                    Lead.created_at < midnight - timedelta(days=first - 1),
                )
            )
            or 0
            for first, last in AGES
        ]
    report = report_of(app, DateRange(TODAY, TODAY), Bucket.DAY)
    assert report.waiting == expected
    assert sum(expected) > 20


@pytest.fixture
def started(app: Flask, clock: TestClock) -> Flask:
    """Return an application with a lead of ten days ago, and one of today."""
    clock.now = NOW
    set_clock(app)
    put_lead(app, NOW - timedelta(days=10))
    put_lead(app, NOW)
    return app


def put_message(app: Flask, **values: object) -> None:
    """Store a finished message."""
    texts = dict.fromkeys(("correlation", "sender_name", "subject", "text_body", "html_body"), "")
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    moments = dict.fromkeys(("due_at", "created_at", "settled_at"), at)
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(insert(OutboxMessage), {"message_id": "m", "kind": "k", **texts, **moments, **values})


def test_mail_stands_in_the_column_of_its_day(started: Flask) -> None:
    put_message(started, state=MessageState.SENT, attempts=2)
    report = report_of(started, DateRange(TODAY - timedelta(days=10), TODAY), Bucket.WEEK)
    assert [column.mail.retried for column in report.columns] == [0, 1, 0]
    assert (report.mail.sent, report.mail.total) == (1, 1)


def test_mail_is_counted_as_it_is_now(started: Flask) -> None:
    put_message(started, state=MessageState.SENT, attempts=1)
    put_message(started, state=MessageState.DEAD, attempts=9)
    period = DateRange(TODAY - timedelta(days=10), TODAY)
    mail = report_of(started, period, Bucket.MONTH).mail
    assert (mail.first, mail.retried, mail.dead) == (1, 0, 1)
    with started.app_context():
        retry_failed(db.engine, actor=ROSA)
    mail = report_of(started, period, Bucket.MONTH).mail
    assert (mail.first, mail.retried, mail.dead) == (1, 0, 0)


def test_days_before_the_first_lead_are_empty(started: Flask) -> None:
    report = report_of(started, DateRange(date.min, date(1, 3, 1)), Bucket.MONTH)
    assert report.leads == Metrics()
    assert len(report.columns) == 3

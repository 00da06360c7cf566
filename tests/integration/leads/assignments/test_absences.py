"""Being away: who says so where, what is shown of it, and who is reminded meanwhile."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import select

from alma_leads.accounts.core.models import Role
from alma_leads.audit.models import AuditEvent
from alma_leads.leads.assignments.absence_service import add_absence, find_away_until, get_absences, remove_absence
from alma_leads.leads.assignments.assignment_service import active_attorneys, assign
from alma_leads.leads.assignments.models import Absence
from alma_leads.leads.core.errors import BadAbsence
from alma_leads.leads.core.models import Lead, LeadEvent
from alma_leads.leads.reminders.digest_service import send_digests, set_digest
from alma_leads.leads.reminders.reminder_service import send_reminders
from tests.conftest import TestClock
from tests.support.desk import add_lead, add_person, count, value
from tests.support.first_contact import ROSA, set_clock
from tests.support.outbox import enqueued

IAN = "ian.park@alma.example"


@pytest.fixture(autouse=True)
def tuesday(clock: TestClock) -> None:
    """Begin on a Tuesday, at ten in Berlin."""
    clock.set("2026-11-24T10:00+01:00")


@pytest.fixture
def ian(app: Flask) -> int:
    """Return an attorney of a firm in Berlin."""
    add_person(app)
    set_clock(app)
    return add_person(app, "Ian Park", role=Role.ATTORNEY)


def away(app: Flask, user_id: int, first: str, last: str) -> None:
    with app.app_context():
        add_absence(user_id, first_day=date.fromisoformat(first), last_day=date.fromisoformat(last), actor=ROSA)


def days(app: Flask, user_id: int) -> list[tuple[str, str]]:
    with app.app_context():
        return [(each.first_day.isoformat(), each.last_day.isoformat()) for each in get_absences(user_id).absences]


def test_the_days_are_the_firms_and_both_included(app: Flask, clock: TestClock, ian: int) -> None:
    away(app, ian, "2026-11-25", "2026-11-26")
    for moment, is_away in (
        ("2026-11-24T23:59+01:00", False),
        ("2026-11-25T00:00+01:00", True),
        ("2026-11-26T23:59+01:00", True),
        ("2026-11-27T00:00+01:00", False),
    ):
        clock.set(moment)
        with app.app_context():
            assert find_away_until() == ({ian: date(2026, 11, 26)} if is_away else {}), moment
            assert [each.away_until is not None for each in active_attorneys()] == [is_away, False], "Ian, Rosa"


def test_what_overlaps_or_touches_becomes_one(app: Flask, ian: int) -> None:
    away(app, ian, "2026-12-01", "2026-12-05")
    away(app, ian, "2026-12-10", "2026-12-12")
    away(app, ian, "2026-12-13", "2026-12-14")
    away(app, ian, "2026-12-13", "2026-12-14")  # a double click
    assert days(app, ian) == [("2026-12-01", "2026-12-05"), ("2026-12-10", "2026-12-14")]
    away(app, ian, "2026-12-04", "2026-12-11")
    assert days(app, ian) == [("2026-12-01", "2026-12-14")]
    assert count(app, AuditEvent, AuditEvent.action == "absence_added") == 4


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-11-25", "2026-11-24"),
        ("2026-11-20", "2026-11-23"),
        ("2026-11-25", "2027-11-26"),
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_days_that_cannot_be_meant_are_refused(app: Flask, ian: int, first: str, last: str) -> None:
    with pytest.raises(BadAbsence):
        away(app, ian, first, last)
    assert days(app, ian) == []


def test_only_the_own_absence_is_removed(app: Flask, ian: int) -> None:
    away(app, ian, "2026-12-01", "2026-12-05")
    number = value(app, select(Absence.id))
    with app.app_context():
        remove_absence(number, user_id=1, actor=ROSA)
        assert len(get_absences(ian).absences) == 1
        for _ in range(2):
            remove_absence(number, user_id=ian, actor=ROSA)
    assert days(app, ian) == []
    assert count(app, AuditEvent, AuditEvent.action == "absence_removed") == 1


def test_while_the_attorney_is_away_the_helpdesk_is_reminded(app: Flask, clock: TestClock, ian: int) -> None:
    with app.app_context():
        assign("waits@example.com", attorney_email=IAN, actor=ROSA)
    lead_id = add_lead(app, email="waits@example.com")
    away(app, ian, "2026-11-25", "2026-12-04")
    clock.set("2026-11-25T10:00+01:00")
    with app.app_context():
        assert send_reminders() == 1
        assert send_reminders() == 0
    query = "SELECT recipient FROM outbox_messages WHERE kind = 'lead_reminder'"
    assert value(app, query) is None
    assert "You get this once, because Ian Park is away." in enqueued(app, "lead_reminder")[0][1].text
    assert '"away":"Ian Park"' in value(app, select(LeadEvent.data).where(LeadEvent.kind == "reminded"))
    assert value(app, select(Lead.attorney_id).where(Lead.id == lead_id)) == ian
    clock.set("2026-11-26T10:00+01:00")
    with app.app_context():
        assert send_reminders() == 1
    assert value(app, "SELECT count(*) FROM outbox_messages WHERE kind = 'lead_reminder' AND recipient IS NULL") == 2


def test_no_digest_before_one_is_back(app: Flask, clock: TestClock, ian: int) -> None:
    with app.app_context():
        set_digest(ian, wanted=True)
        assign("waits@example.com", attorney_email=IAN, actor=ROSA)
    add_lead(app, email="waits@example.com")
    away(app, ian, "2026-11-24", "2026-11-26")
    for moment, sent in (("2026-11-25T10:00+01:00", 0), ("2026-11-27T10:00+01:00", 1)):
        clock.set(moment)
        with app.app_context():
            assert send_digests() == sent

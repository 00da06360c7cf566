"""Reminders of leads that nobody has contacted: whom, when, once, and what stops them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select, update

from alma_leads.accounts.core.models import Role, User
from alma_leads.common.extensions import db
from alma_leads.jobs.tasks import Background
from alma_leads.leads.assignments.assignment_service import assign, unassign
from alma_leads.leads.core.emails import REMINDER
from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.models import Lead, LeadEvent
from alma_leads.leads.first_contact.status_service import mark_reached_out
from alma_leads.leads.notes.note_service import add_note
from alma_leads.leads.reminders.reminder_service import send_reminders
from config import ROOT, Settings
from tests.conftest import TestClock
from tests.support.desk import add_lead, add_person, run, value
from tests.support.first_contact import ROSA, set_clock
from tests.support.outbox import enqueued

IAN = "ian.park@alma.example"
ADDRESS = "waits@example.com"


@pytest.fixture
def lead(app: Flask, clock: TestClock) -> int:
    """Return a lead of Ian's that came in on a Tuesday at ten; due on Wednesday at ten, twice over on Thursday."""
    clock.set("2026-11-24T10:00+01:00")
    set_clock(app)
    add_person(app, "Ian Park", role=Role.ATTORNEY)
    with app.app_context():
        assign(ADDRESS, attorney_email=IAN, actor=ROSA)
    return add_lead(app, email=ADDRESS)


def remind(app: Flask) -> int:
    with app.app_context():
        return send_reminders()


def told(app: Flask) -> list[str | None]:
    """Return who was reminded: addresses, None for the helpdesk."""
    return [message.recipient for message, _ in enqueued(app, REMINDER)]


def events(app: Flask, lead_id: int) -> list[str]:
    kinds = [EventKind.REMINDED, EventKind.ESCALATED]
    query = select(LeadEvent.kind).where(LeadEvent.lead_id == lead_id, LeadEvent.kind.in_(kinds))
    with app.app_context():
        return list(db.session.scalars(query.order_by(LeadEvent.id)))


def test_the_attorney_once_past_the_target_and_the_helpdesk_once_past_twice(
    app: Flask, clock: TestClock, lead: int
) -> None:
    clock.set("2026-11-25T09:59+01:00")
    assert remind(app) == 0
    clock.set("2026-11-25T10:00+01:00")
    assert remind(app) == 1
    clock.set("2026-11-26T09:59+01:00")
    assert remind(app) == 0
    assert told(app) == [IAN]
    clock.set("2026-11-26T10:00+01:00")
    assert remind(app) == 1
    clock.forward(days=30)
    assert remind(app) == 0
    assert told(app) == [IAN, None]
    assert events(app, lead) == [EventKind.REMINDED, EventKind.ESCALATED]
    assert "Wednesday 25 November 2026, 10:00 (Europe/Berlin)" in enqueued(app, REMINDER)[0][1].text
    assert value(app, "SELECT updated_at FROM leads WHERE id = :id", id=lead).startswith("2026-11-24"), "nobody acted"


@pytest.mark.parametrize("why", ["unassigned", "inactive", "viewer"])
def test_the_helpdesk_when_no_attorney_can_be_told(app: Flask, clock: TestClock, lead: int, why: str) -> None:
    if why == "unassigned":
        run(app, update(Lead).values(attorney_id=None))
    elif why == "inactive":
        run(app, update(User).values(active=False))
    else:
        run(app, update(User).values(role=Role.VIEWER))
    clock.set("2026-11-25T10:00+01:00")
    assert remind(app) == 1
    assert told(app) == [None]


def _assign_elsewhere(lead_id: int) -> None:
    unassign(ADDRESS, actor=ROSA)


ACTIONS: dict[str, Callable[[int], object]] = {
    "mark": lambda lead_id: mark_reached_out(lead_id, actor=ROSA),
    "note": lambda lead_id: add_note(lead_id, text="Called", actor=ROSA),
    "assignment": _assign_elsewhere,
}


@pytest.mark.parametrize("action", list(ACTIONS))
@pytest.mark.parametrize("after_the_first", [False, True])
def test_any_action_stops_reminders(
    app: Flask, clock: TestClock, lead: int, action: str, after_the_first: bool
) -> None:
    if after_the_first:
        clock.set("2026-11-25T10:00+01:00")
        assert remind(app) == 1
    with app.app_context():
        ACTIONS[action](lead)
    clock.forward(days=30)
    assert remind(app) == 0
    assert told(app) == [IAN] * after_the_first


def test_of_several_workers_one_reminds(app: Flask, clock: TestClock, lead: int) -> None:
    leads = [lead, *(add_lead(app) for _ in range(7))]
    clock.set("2026-11-25T10:00+01:00")
    with ThreadPoolExecutor(4) as pool:
        sent = sum(pool.map(lambda _: remind(app), range(4)))
    assert sent == len(leads)
    assert len(told(app)) == len(leads)
    assert [events(app, each) for each in leads] == [[EventKind.REMINDED]] * len(leads)


def test_a_target_that_is_taken_away_takes_its_reminders_along(app: Flask, clock: TestClock, lead: int) -> None:
    set_clock(app, target=None)
    clock.forward(days=30)
    assert remind(app) == 0


def test_the_sweep_reminds_and_the_timeline_tells(app: Flask, clock: TestClock, lead: int) -> None:
    clock.set("2026-11-25T10:00+01:00")
    Background(app).sweep()
    assert told(app) == [IAN]


KILLED = """
import os, signal
from alma_leads.app import create_app
from alma_leads.leads.reminders import reminder_service
from alma_leads.outbox.models import OutboxMessage
from config import Settings

def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

reminder_service.{where} = die
with create_app(Settings()).app_context():
    reminder_service.send_reminders()
"""


@pytest.mark.parametrize("where", ["record", "enqueue"])
def test_a_worker_that_is_killed_in_between_leaves_nothing_half_done(
    app: Flask, settings: Settings, clock: TestClock, lead: int, where: str
) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    run(app, update(Lead).values(remind_at=long_ago))  # due for a process with the real clock
    environment = {
        **os.environ,
        "SECRET_KEY": "s" * 32,
        "INTERNAL_API_KEY": "k" * 32,
        "DATABASE_URL": settings.DATABASE_URL,
        "RESUME_STORAGE_URL": settings.RESUME_STORAGE_URL,
    }
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(where=where)], cwd=ROOT, env=environment, timeout=60, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert (told(app), events(app, lead)) == ([], [])
    assert remind(app) == 1
    assert (told(app), events(app, lead)) == ([IAN], [EventKind.REMINDED])

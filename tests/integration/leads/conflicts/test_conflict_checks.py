"""A verdict is recorded by name and time, on both databases: never over a newer one, and each stays in the log."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import select

from alma_leads.common.actor import Actor
from alma_leads.leads.conflicts.conflict_service import record_verdict
from alma_leads.leads.core import lookup
from alma_leads.leads.core.errors import LeadNotFound, VerdictChanged
from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.models import Lead, LeadEvent
from alma_leads.leads.core.verdict import Verdict
from tests.support.desk import add_lead, count, value

IAN, ROSA = Actor("user", 1, "Ian Park"), Actor("user", 2, "Rosa Delgado")
VERDICTS = LeadEvent.kind == EventKind.CONFLICT_CHECK


def seen(app: Flask, lead_id: int) -> str:
    """Return which verdict a page of the lead would show now."""
    with app.app_context():
        lead = lookup.find_lead(lead_id)
        assert lead is not None
        return lead.conflict_at or ""


def say(app: Flask, lead_id: int, verdict: Verdict, *, seen: str, actor: Actor = IAN, note: str = "") -> None:
    """Record a verdict."""
    with app.app_context():
        record_verdict(lead_id, verdict, note=note, seen=seen, actor=actor)


def test_each_verdict_stays_in_the_log(app: Flask) -> None:
    lead_id = add_lead(app)
    say(app, lead_id, Verdict.CONFLICT, seen="", note="Her husband is a client")
    say(app, lead_id, Verdict.UNCHECKED, seen=seen(app, lead_id), actor=ROSA)
    say(app, lead_id, Verdict.CLEAR, seen=seen(app, lead_id), actor=ROSA)
    with app.app_context():
        lead = lookup.find_lead(lead_id)
        events = lookup.list_events(lead_id)
    assert lead is not None
    assert (lead.conflict, lead.conflict_by, lead.conflict_at) == ("clear", "Rosa Delgado", events[0].at)
    assert [(event.actor_name, event.data) for event in events[:3]] == [
        ("Rosa Delgado", {"verdict": {"old": "unchecked", "new": "clear"}}),
        ("Rosa Delgado", {"verdict": {"old": "conflict", "new": "unchecked"}}),
        ("Ian Park", {"verdict": {"old": "unchecked", "new": "conflict"}, "text": "Her husband is a client"}),
    ]


def test_a_verdict_stops_the_reminders_and_leaves_the_version_that_programs_see(app: Flask) -> None:
    lead_id = add_lead(app)
    before = value(app, select(Lead.updated_at))
    say(app, lead_id, Verdict.CLEAR, seen="")
    assert value(app, select(Lead.reminders)) == 2
    assert value(app, select(Lead.updated_at)) == before


def test_a_newer_verdict_is_not_replaced(app: Flask) -> None:
    lead_id = add_lead(app)
    say(app, lead_id, Verdict.CONFLICT, seen="", actor=ROSA)
    with pytest.raises(VerdictChanged, match="Rosa Delgado recorded something else"):
        say(app, lead_id, Verdict.CLEAR, seen="")
    with pytest.raises(VerdictChanged):
        say(app, lead_id, Verdict.CONFLICT, seen="")  # the same, but not by the same person
    assert count(app, LeadEvent, VERDICTS) == 1


def test_a_double_click_and_nothing_new_are_no_verdict(app: Flask) -> None:
    lead_id = add_lead(app)
    say(app, lead_id, Verdict.UNCHECKED, seen="")
    say(app, lead_id, Verdict.CLEAR, seen="")
    say(app, lead_id, Verdict.CLEAR, seen="")
    assert count(app, LeadEvent, VERDICTS) == 1


def test_of_two_at_once_one_is_told_of_the_other(app: Flask) -> None:
    lead_id = add_lead(app)

    def attempt(verdict: Verdict) -> bool:
        try:
            say(app, lead_id, verdict, seen="", actor=Actor("user", 3, verdict.value))
        except VerdictChanged:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(attempt, [Verdict.CLEAR, Verdict.CONFLICT])) == [False, True]
    assert count(app, LeadEvent, VERDICTS) == 1


def test_no_lead_no_verdict(app: Flask) -> None:
    with pytest.raises(LeadNotFound):
        say(app, 7, Verdict.CLEAR, seen="")

"""The figures of the Insights page over three years: a million leads against a hundred thousand, and measuring them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from flask import Flask
from sqlalchemy import case, insert, literal, select

from alma_leads.app import create_app
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.insights.periods import DateRange, columns, fitting_bucket
from alma_leads.insights.report import first_day, make_report
from alma_leads.leads.core.models import Lead
from alma_leads.leads.first_contact.contact_time_service import measure_contact_times
from alma_leads.leads.first_contact.settings_service import get_settings
from alma_leads.outbox.models import MessageState, OutboxMessage
from bench.databases import Stores
from bench.lists import best_ms
from bench.report import Report
from bench.seeding import seed
from bench.servers import app_environment, flask, folder
from config import Settings

YEARS = 3
FEW = 100_000
FLOORS_MS = {FEW: 300, 1_000_000: 3000}
ANSWERED_S = 300


def measure(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Measure the rows on both databases."""
    for kind in ("sqlite", "postgresql"):
        for leads in (FEW, options.leads):
            with folder() as path, _seeded(report, stores, kind, leads, path) as app, app.app_context():
                _look(YEARS * 365)  # what is read for the first time comes from the disk
                for name, days in {"7 days": 7, "12 weeks": 84, "a year": 365, "all": YEARS * 365}.items():
                    took = best_ms(partial(_look, days))
                    floor = FLOORS_MS.get(leads, 3000)
                    report.add(
                        "7",
                        f"insights: {name} of {leads:,} leads, {kind}",
                        measured=f"{took:.0f} ms",
                        goal=f"≤ {floor} ms",
                        reached=took <= floor,
                    )


@contextmanager
def _seeded(report: Report, stores: Stores, kind: str, leads: int, path: Path) -> Iterator[Flask]:
    environment = app_environment(stores.make(kind), path)
    flask(environment, "db", "upgrade")
    seed(environment["DATABASE_URL"], leads, every_s=YEARS * 365 * 86400 // leads, answered_s=ANSWERED_S)
    app = create_app(Settings.model_validate(environment))
    with app.app_context():
        _mail()
        begin = time.perf_counter()
        while measure_contact_times():
            pass
        took = time.perf_counter() - begin
    report.add(
        "7",
        f"insights: measuring {leads:,} leads, {kind}",
        measured=f"{took:.0f} s",
        goal="≤ 300 s",
        reached=took <= 300,
    )
    yield app
    with app.app_context():
        db.engine.dispose()


def _mail() -> None:
    """Store one email a lead, accepted at once, but for one of ninety that took a second attempt."""
    texts = {name: literal("") for name in ("sender_name", "subject", "text_body", "html_body")}
    moments = dict.fromkeys(("due_at", "created_at", "settled_at"), Lead.created_at)
    values = {
        "message_id": literal("m"),
        "kind": literal("lead_confirmation"),
        "correlation": literal("lead"),
        "state": literal(MessageState.SENT.value),
        "attempts": case((Lead.id % 90 == 0, 2), else_=1),
        **texts,
        **moments,
    }
    with db.engine.begin() as connection:
        connection.execute(insert(OutboxMessage).from_select(list(values), select(*values.values())))


def _look(days: int) -> None:
    """Find out all that the page says of the last days."""
    db.session.rollback()
    settings = get_settings()
    first, today = first_day(settings.working), settings.working.day_of(utc_now())
    assert first
    period = DateRange(max(first, today - timedelta(days=days - 1)), today)
    found = make_report(settings, columns(period, fitting_bucket(period)), first=first, today=today)
    assert found.leads.number
    assert not found.leads.unmeasured

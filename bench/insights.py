"""The figures of the Insights page over three years: a million leads against a thousand, and counting all of them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

from alma_leads.database.base import utc_now
from alma_leads.database.engine import prepare_engine
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.insights.counting import count_day
from alma_leads.insights.periods import Stretch, columns, fitting_step
from alma_leads.insights.report import Present, make_report
from alma_leads.leads.first_contact import first_contact
from bench.databases import Stores
from bench.lists import SMALL, best_ms
from bench.report import Report
from bench.seeding import seed
from bench.servers import app_environment, flask, folder

YEARS = 3
GOAL_MS = 50
ANSWERED_S = 300
# One e-mail a lead, taken at once, but for one of ninety that took a second try.
_MAIL = """
INSERT INTO outbox_messages (message_id, kind, correlation, sender_name, subject, text_body, html_body, state, attempts,
                             due_at, created_at, settled_at)
SELECT 'm', 'lead_confirmation', 'lead:' || id, '', '', '', '', 'sent', CASE WHEN id % 90 = 0 THEN 2 ELSE 1 END,
       created_at, created_at, created_at FROM leads
"""


def measure(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Measure the rows on both databases."""
    for kind in ("sqlite", "postgresql"):
        with (
            folder() as path,
            _counted(report, stores, kind, SMALL, path) as few,
            _counted(report, stores, kind, options.leads, path) as many,
        ):
            for connection in (few, many):
                _look(connection, YEARS * 365)  # what is read for the first time comes from the disk
            for name, days in {"7 days": 7, "12 weeks": 84, "a year": 365, "all": YEARS * 365}.items():
                small, large = (best_ms(partial(_look, connection, days)) for connection in (few, many))
                report.add(
                    "7",
                    f"insights: {name}, {kind}",
                    measured=f"{large:.1f} ms : {small:.1f} ms",
                    goal=f"≤ {GOAL_MS} ms",
                    reached=large <= GOAL_MS,
                )
            _one_day(report, kind, many)


@contextmanager
def _counted(report: Report, stores: Stores, kind: str, leads: int, path: Path) -> Iterator[Connection]:
    environment = app_environment(stores.make(kind), path)
    flask(environment, "db", "upgrade")
    seed(environment["DATABASE_URL"], leads, every_s=YEARS * 365 * 86400 // leads, answered_s=ANSWERED_S)
    engine = create_engine(environment["DATABASE_URL"])
    prepare_engine(engine)
    with transaction_on(engine) as connection:
        connection.execute(text(_MAIL))
    begin = time.perf_counter()
    flask(environment, "insights", "recount")
    took = time.perf_counter() - begin
    report.add(
        "7",
        f"insights: counting {leads:,} leads anew, {kind}",
        measured=f"{took:.0f} s",
        goal="≤ 120 s",
        reached=took <= 120,
    )
    with reading(engine) as connection:
        yield connection
    engine.dispose()


def _look(connection: Connection, days: int) -> None:
    """Find out all that the page says of the last days."""
    present = Present(connection, first_contact.read(connection).working, utc_now())
    assert present.first
    period = Stretch(max(present.first, present.today - timedelta(days=days - 1)), present.today)
    step = fitting_step(period)
    found = make_report(connection, present, period, columns(period, step), step)
    assert found.leads.number
    assert not found.missing
    present.waiting(connection)


def _one_day(report: Report, kind: str, connection: Connection) -> None:
    working, day = first_contact.read(connection).working, utc_now().date() - timedelta(days=100)
    took = best_ms(lambda: count_day(connection, working, day))
    number = count_day(connection, working, day)["all", ""].number
    report.add(
        "7",
        f"insights: counting a day of {number:,} leads, {kind}",
        measured=f"{took:.1f} ms",
        goal="≤ 50 ms",
        reached=took <= 50,
    )

"""Doing something to all that match: every tenth of a million leads assigned, then marked, in batches."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from sqlalchemy import Connection, Engine

from alma_leads.app import create_app
from alma_leads.common.actor import OPERATOR
from alma_leads.common.extensions import db
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.leads.bulk import bulk, bulk_service
from alma_leads.leads.bulk.bulk import Choice
from alma_leads.leads.bulk.models import Kind
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.listing import queries
from alma_leads.leads.listing.filters import LeadFilter
from bench.databases import Stores
from bench.report import Report
from bench.seeding import seed
from bench.servers import app_environment, flask, folder
from config import Settings

LONGEST_HOLD_MS = 250
ATTORNEY = 3


def measure(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Measure the rows on both databases."""
    for kind in ("sqlite", "postgresql"):
        with folder() as path:
            environment = app_environment(stores.make(kind), path)
            flask(environment, "db", "upgrade")
            seed(environment["DATABASE_URL"], options.leads)
            names = environment.keys() & Settings.model_fields.keys()
            app = create_app(Settings(_env_file=None, **{name: environment[name] for name in names}))  # type: ignore[arg-type]
            with app.app_context():
                _act(report, kind, Kind.ASSIGNED)
                _act(report, kind, Kind.REACHED_OUT)
                db.engine.dispose()


def _act(report: Report, kind: str, what: Kind) -> None:
    holds: list[tuple[float, float]] = []  # seconds, and seconds of work

    @contextmanager
    def timed(engine: Engine) -> Iterator[Connection]:
        with transaction_on(engine) as connection:
            began, worked = time.perf_counter(), time.thread_time()
            yield connection
            holds.append((time.perf_counter() - began, time.thread_time() - worked))

    began = time.perf_counter()
    with reading(db.engine) as connection:
        choice = _choice(what)
        plan = bulk.plan(connection, choice)
    planned = time.perf_counter()
    with patch.object(bulk_service, "transaction", timed):
        bulk_service.request(choice, seen=plan.seen, actor=OPERATOR)
        asked = time.perf_counter()
        while bulk_service.process_actions():
            pass
    done = time.perf_counter()
    longest, most = (1000 * max(each) for each in zip(*holds, strict=True))
    report.add(
        "7",
        f"bulk: {plan.leads:,} leads of {plan.people:,} people {what.replace('_', ' ')}, {kind}: longest transaction",
        measured=f"{longest:.0f} ms, of work {most:.0f} ms; counted in {planned - began:.1f} s, "
        f"asked for in {asked - planned:.1f} s, done in {done - asked:.0f} s",
        goal=f"≤ {LONGEST_HOLD_MS} ms",
        reached=longest <= LONGEST_HOLD_MS,
    )


def _choice(what: Kind) -> Choice:
    return bulk.choose_list(
        LeadFilter(status=LeadStatus.PENDING),
        kind=what,
        attorney_id=ATTORNEY if what is Kind.ASSIGNED else None,
        up_to=queries.newest_id(),
    )

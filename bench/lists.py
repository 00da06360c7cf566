"""Every filter, order, count and saved place of the desk's list: a million leads against a thousand."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from flask import Flask

from alma_leads.common.extensions import db
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.engine import prepare_engine
from alma_leads.jobs.statistics_service import collect_statistics
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.listing import queries
from alma_leads.leads.listing.filters import DESK_SORTS, LeadFilter
from bench.databases import Stores
from bench.report import Report
from bench.seeding import seed
from bench.servers import app_environment, flask, folder

SMALL = 1000
REPEATS = 9
LONGEST_S = 0.5
ROWS = 50
NOW = to_stamp(utc_now())
FILTERS = {
    "all": LeadFilter(),
    "pending": LeadFilter(status=LeadStatus.PENDING),
    "reached out": LeadFilter(status=LeadStatus.REACHED_OUT),
    "an attorney's": LeadFilter(attorney_id=3),
    "an attorney's pending": LeadFilter(attorney_id=3, status=LeadStatus.PENDING),
    "nobody's": LeadFilter(unassigned=True),
    "received since": LeadFilter(created_from=to_stamp(utc_now().replace(year=2001))),
    "overdue": LeadFilter(overdue_at=NOW),
    "an attorney's overdue": LeadFilter(overdue_at=NOW, attorney_id=3),
    "returning": LeadFilter(returning=True),
    "returning, pending": LeadFilter(returning=True, status=LeadStatus.PENDING),
    "mail trouble": LeadFilter(mail_trouble=True),
    "mail trouble, pending": LeadFilter(mail_trouble=True, status=LeadStatus.PENDING),
    "in conflict": LeadFilter(in_conflict=True),
    "in conflict, pending": LeadFilter(in_conflict=True, status=LeadStatus.PENDING),
    "search, common": LeadFilter(query="maria"),
    "search, rare": LeadFilter(query="name777"),
    "in resumes, all": LeadFilter(resume_words=("experience",)),
    "in resumes, common": LeadFilter(resume_words=("patent", "experience")),
    "in resumes, rare": LeadFilter(resume_words=("w7", "experience")),
    "in resumes, pending": LeadFilter(resume_words=("patent",), status=LeadStatus.PENDING),
    "search and pending": LeadFilter(query="maria", status=LeadStatus.PENDING),
}


def measure(report: Report, stores: Stores, options: argparse.Namespace) -> None:
    """Measure the rows on both databases: of each filter the slowest order, at its first page or in the middle."""
    for kind in ("sqlite", "postgresql"):
        with (
            folder() as path,
            _seeded(stores, kind, SMALL, path) as few,
            _seeded(stores, kind, options.leads, path) as many,
        ):
            for name, asked in FILTERS.items():
                _slowest_order(report, f"{name}, {kind}", asked, few, many, options)
            _counts(report, kind, few, many)


@contextmanager
def _seeded(stores: Stores, kind: str, leads: int, path: object) -> Iterator[Flask]:
    environment = app_environment(stores.make(kind), path)  # type: ignore[arg-type]
    flask(environment, "db", "upgrade")
    seed(environment["DATABASE_URL"], leads)
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = environment["DATABASE_URL"]
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
        collect_statistics()
    yield app
    with app.app_context():
        db.engine.dispose()


def _slowest_order(
    report: Report, work: str, asked: LeadFilter, few: Flask, many: Flask, options: argparse.Namespace
) -> None:
    worst: tuple[float, float, str] = (0, 0, "")
    for sort in DESK_SORTS:
        for place in ("first page", "middle"):
            small = best_ms(_page_of(few, replace(asked, sort=sort, limit=ROWS), place, SMALL))
            large = best_ms(_page_of(many, replace(asked, sort=sort, limit=ROWS), place, options.leads))
            worst = max(worst, (large, small, f"{sort}, {place}"))
    large, small, where = worst
    report.add(
        "7",
        f"list: {work}: slowest of {len(DESK_SORTS)} orders ({where})",
        measured=f"{large:.1f} ms : {small:.1f} ms",
        goal="≤ 30 ms",
        reached=large <= 30,
    )


def _page_of(app: Flask, asked: LeadFilter, place: str, leads: int) -> Callable[[], object]:
    if place == "middle":
        with app.app_context():
            asked = replace(asked, cursor=queries.cursor_at(asked, leads // 2))
    return partial(_in_app, app, lambda: queries.list_leads(asked))


def _in_app(app: Flask, call: Callable[[], object]) -> None:
    with app.app_context():
        call()


def best_ms(call: Callable[[], object]) -> float:
    """Return the milliseconds of the quickest of several calls: what it costs when nothing else is in its way."""
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < LONGEST_S:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return 1000 * min(times)


def _counts(report: Report, kind: str, few: Flask, many: Flask) -> None:
    small, large = (best_ms(partial(_in_app, app, _count_all)) for app in (few, many))
    report.add(
        "7",
        f"all counts of the frame and the tabs, {kind}",
        measured=f"{large:.1f} ms : {small:.1f} ms",
        goal="≤ 10 ms",
        reached=large <= 10,
    )


def _count_all() -> None:
    queries.count_leads(user_id=3, late=NOW, now=NOW)
    for asked in FILTERS.values():
        queries.count_capped(asked)

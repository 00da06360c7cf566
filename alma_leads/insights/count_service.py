"""Use cases of counting: each day once it is over, and again when something of it changed; and all of it anew.

A day is over an hour after its end: by then whatever came in on it has long been committed. Until then it is counted
for each reader. A change of a lead whose day was counted leaves a note (`models.StaleMoment`) in its own transaction,
so that no change is missed, whatever is killed when; new leads leave none, and cost nothing here.
"""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.database.base import from_stamp, utc_now
from alma_leads.database.raw import Sql, id_list, sql_in
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db
from alma_leads.insights import tallies
from alma_leads.insights.counting import Counted, Figures, count_day, first_day, last_day_over
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.working_time import WorkingTime

DAYS = 31  # are counted together: some dozens of milliseconds each for a firm with a thousand leads a day
NOTES = 5000
COUNT_FOR_S = 20.0  # a sweep has other things to do; the next one goes on

_RUNS = Sql("SELECT runs FROM insight_runs")
# Of two who counted at the same time, one finds the number that it began with. The other has counted in vain.
_FINISH = Sql("UPDATE insight_runs SET runs = runs + 1 WHERE runs = :runs")
_NOTES = Sql(f"SELECT id, at FROM insight_stale_moments ORDER BY id LIMIT {NOTES}")
# By number, since one that is not committed yet may have a lower number than one that is.
_DROP_NOTES = sql_in("DELETE FROM insight_stale_moments WHERE id IN :ids")


class _Work(NamedTuple):
    """What is to be counted now, and the notes that this does away with.

    `last` is the last counted day after it, `over` the last day that is over.
    """

    days: list[date]
    notes: list[int]
    last: date
    over: date


def count_days() -> int:
    """Count the days that are over or have changed, in batches; return how many were counted.

    It does not matter when this is cut short, or how many do it at once.
    """
    done, until = 0, time.monotonic() + COUNT_FOR_S
    while time.monotonic() < until:
        counted = _count_batch()
        done += counted
        if not counted:
            break
    return done


def recount() -> int:
    """Forget what was counted, count all of it anew, and return how many days that were."""
    with transaction_on(db.engine) as connection:
        tallies.FORGET_ALL.run(connection)
        _FINISH.run(connection, runs=_RUNS.rows(connection)[0][0])
    done = 0
    while counted := _count_batch():
        done += counted
    return done


def _count_batch() -> int:
    with reading(db.engine) as connection:
        runs = _RUNS.rows(connection)[0][0]  # first of all
        settings = first_contact.read(connection)
        work = _work(connection, settings.working, settings.version)
        if work is None:
            return 0
        days = {day: count_day(connection, settings.working, day) for day in work.days}
        months = _months(connection, days, work.last)
    with transaction_on(db.engine) as connection:
        if not _FINISH.run(connection, runs=runs):
            return len(days)  # somebody else was quicker; the next batch sees what is left
        tallies.FORGET_AFTER.run(connection, **tallies.after(work.over))
        _keep(connection, "day", days, settings.version)
        _keep(connection, "month", months, settings.version)
        _DROP_NOTES.run(connection, ids=id_list(connection, work.notes))
    return len(days)


def _work(connection: Connection, working: WorkingTime, version: int) -> _Work | None:
    # Before anything is counted: what a note that is read here tells of, will be seen.
    notes = [(number, working.day_of(from_stamp(at))) for number, at in _NOTES.rows(connection)]
    first, over = first_day(connection, working), last_day_over(working, utc_now())
    found = tallies.counted_range(connection)
    if first is None or first > over:
        # The firm has moved west of its first day: what was over there is not over any more.
        return None if found is None else _Work([], [], over, over)
    if found is None or found.first > over:
        found = tallies.Range(first, first - timedelta(days=1))
    found = found._replace(last=min(found.last, over))
    changed = (day for _, day in notes if found.first <= day <= found.last)
    outdated = (day for day in tallies.outdated_days(connection, version=version, limit=DAYS) if day <= over)
    new = _days(found.last + timedelta(days=1), over)
    earlier = _days(first, found.first - timedelta(days=1))  # the firm has moved west
    days = list(dict.fromkeys([*changed, *new, *outdated, *reversed(earlier)]))[:DAYS]
    # Each day between the first counted and the last one is counted: so no gap may be left on either side.
    chosen = set(days)
    done = [number for number, day in notes if day in chosen or not found.first <= day <= found.last]
    return _Work(days, done, max([found.last, *days]), over) if days or done else None


def _days(since: date, until: date) -> list[date]:
    return [since + timedelta(days=number) for number in range((until - since).days + 1)]


def _months(connection: Connection, days: dict[date, Counted], last: date) -> dict[date, Counted]:
    """Return the figures of each whole month that one of the `days` belongs to."""
    months = sorted({day.replace(day=1) for day in days})
    return {month: _month(connection, days, month) for month in months if tallies.month_end(month) <= last}


def _month(connection: Connection, days: dict[date, Counted], month: date) -> Counted:
    total: defaultdict[tuple[str, str], Figures] = defaultdict(Figures)
    end = tallies.month_end(month)
    for row in tallies.read(connection, "day", month, end):
        if row.day not in days:
            total[row.facet, row.subject].add(row.figures)
    for day, counted in days.items():
        if month <= day <= end:
            for subject, figures in counted.items():
                total[subject].add(figures)
    return dict(total)


def _keep(connection: Connection, span: tallies.Span, counted: dict[date, Counted], version: int) -> None:
    tallies.FORGET.run(connection, span=span, ids=id_list(connection, [day.isoformat() for day in counted]))
    tallies.KEEP.run(connection, span=span, version=version, rows=tallies.as_json(counted))

"""The firm's working time between many pairs of moments: as `WorkingTime.between`, without walking the days each time.

A sum of the working time up to each day is kept, so that a pair costs two look-ups. Pure; no table, no clock.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from alma_leads.leads.first_contact.working_time import WorkingTime


class _Day(NamedTuple):
    """A day of the firm: the working seconds before it, and when work begins and for how many seconds it lasts."""

    before_s: float
    opens: datetime
    lasts_s: float


class Elapsed:
    """Measures working time from some day on.

    Args:
        working: when the firm works.
        since: the day at the firm before which no moment lies.
    """

    def __init__(self, working: WorkingTime, *, since: date) -> None:
        self._working = working
        self._first = since.toordinal()
        self._days: list[_Day] = []

    def seconds(self, start: datetime, end: datetime) -> float:
        """Return the working seconds from `start` to `end`; none when `end` is not later."""
        return self._until(end) - self._until(start) if start < end else 0.0

    def _until(self, moment: datetime) -> float:
        number = self._working.day_of(moment).toordinal() - self._first
        while len(self._days) <= number:
            self._append()
        day = self._days[number]
        return day.before_s + min(max((moment - day.opens).total_seconds(), 0.0), day.lasts_s)

    def _append(self) -> None:
        day = date.fromordinal(self._first + len(self._days))
        before = self._days[-1].before_s + self._days[-1].lasts_s if self._days else 0.0
        if not self._working.is_working_day(day):
            self._days.append(_Day(before, datetime(1, 1, 1, tzinfo=UTC), 0.0))
            return
        opens = self._working.opening(day)
        lasts = (self._working.closing(day) - opens) / timedelta(seconds=1)
        self._days.append(_Day(before, opens, max(0.0, lasts)))

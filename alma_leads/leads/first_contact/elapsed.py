"""The firm's working time between many pairs of moments, without walking the days for each pair. Pure; no table.

It gives what `WorkingTime.between` gives. It keeps a sum of the working time up to each day, so that a pair costs two
look-ups.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from alma_leads.leads.first_contact.working_time import WorkingTime


class _Day(NamedTuple):
    """A day of the firm: the working time before it, when work begins, and for how long it lasts."""

    before: timedelta
    opens: datetime
    lasts: timedelta


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

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return the working time from `start` to `end`; none when `end` is not later."""
        return self._until(end) - self._until(start) if start < end else timedelta()

    def minutes(self, start: datetime, end: datetime) -> int:
        """Return the same in whole minutes, rounded down."""
        return self.between(start, end) // timedelta(minutes=1)

    def _until(self, moment: datetime) -> timedelta:
        number = self._working.day_of(moment).toordinal() - self._first
        while len(self._days) <= number:
            self._append()
        day = self._days[number]
        return day.before + min(max(moment - day.opens, timedelta()), day.lasts)

    def _append(self) -> None:
        day = date.fromordinal(self._first + len(self._days))
        before = self._days[-1].before + self._days[-1].lasts if self._days else timedelta()
        if not self._working.is_working_day(day):
            self._days.append(_Day(before, datetime(1, 1, 1, tzinfo=UTC), timedelta()))
            return
        opens = self._working.opening(day)
        self._days.append(_Day(before, opens, max(timedelta(), self._working.closing(day) - opens)))

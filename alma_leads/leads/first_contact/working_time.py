"""The firm's working time: which hours count, and how much of it lies between two times. It uses no table and no clock.

A working day starts and ends by the wall clock of the firm's time zone, and is measured in real time: a firm that works
through the night on which clocks change gains or loses an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

DAY_MINUTES = 24 * 60
# A firm with this many closed days in a row has no working hours: better an error than a search without an end.
LONGEST_BREAK = 1000


class NoWorkingTime(ValueError):
    """The firm never works."""


@dataclass(frozen=True)
class WorkingTime:
    """When a firm works.

    Args:
        zone: its time zone.
        weekdays: ISO numbers of the days it works, 1 for Monday.
        opens: minute of the day at which work begins.
        closes: minute of the day at which it ends; 1440 is midnight.
        country: ISO 3166 code of the country whose public holidays are kept, or "".
        subdivision: code of the region whose holidays are kept as well, or "".
        closed_days: further days without work.
    """

    zone: ZoneInfo
    weekdays: frozenset[int]
    opens: int
    closes: int
    country: str = ""
    subdivision: str = ""
    closed_days: frozenset[date] = frozenset()

    def is_working_day(self, day: date) -> bool:
        """Return whether the firm works on a day."""
        if day.isoweekday() not in self.weekdays or day in self.closed_days:
            return False
        return not self.country or day not in public_holidays(self.country, self.subdivision, day.year)

    def day_of(self, moment: datetime) -> date:
        """Return the date at the firm."""
        return moment.astimezone(self.zone).date()

    def opening(self, day: date) -> datetime:
        """Return when work begins on a day, in UTC."""
        return self._at(day, self.opens)

    def closing(self, day: date) -> datetime:
        """Return when work ends on a day, in UTC."""
        return self._at(day, self.closes)

    def _at(self, day: date, minute: int) -> datetime:
        days, rest = divmod(minute, DAY_MINUTES)
        wall = datetime.combine(day + timedelta(days=days), time(rest // 60, rest % 60), self.zone)
        return wall.astimezone(UTC)

    def add(self, start: datetime, amount: timedelta) -> datetime:
        """Return the moment, in UTC, at which `amount` of working time has passed since `start`.

        Time stands still while the firm is closed, so with an `amount` of zero this is when work goes on.

        Raises:
            NoWorkingTime: the firm never works.
        """
        for begins, ends in self._spans(start):
            if amount < ends - begins or (amount == ends - begins and amount):
                return begins + amount
            amount -= ends - begins
        raise NoWorkingTime("The firm has no working time.")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return the working time from `start` to `end`; none when `end` is not later."""
        total = timedelta()
        for begins, ends in self._spans(start):
            if begins >= end:
                break
            total += min(ends, end) - begins
        return total

    def _spans(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the periods of working time from `start` on, until none comes for very long."""
        day, free = self.day_of(start), 0
        start = start.astimezone(UTC)
        while free < LONGEST_BREAK:
            free += 1
            if self.is_working_day(day):
                begins, ends = max(self.opening(day), start), self.closing(day)
                if begins < ends:
                    free = 0
                    yield begins, ends
            day += timedelta(days=1)


@lru_cache(maxsize=64)
def public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    """Return the public holidays of a year. Calculating them takes milliseconds, so they are cached."""
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))

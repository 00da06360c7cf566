"""The stretches of days that figures are given for, each cut into columns of a chart. Pure; no table, no clock."""

from __future__ import annotations

import enum
from datetime import date, timedelta
from typing import NamedTuple

MAX_COLUMNS = 100
# More than that are no longer told apart at a glance.
_AT_EASE = 31


class Bucket(enum.StrEnum):
    """How long a column is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class DateRange(NamedTuple):
    """Days from `since` to `until`, both included."""

    since: date
    until: date

    @property
    def days(self) -> int:
        """How many days these are."""
        return (self.until - self.since).days + 1


class TooManyColumns(ValueError):
    """A period has more columns than a chart can show."""

    def __init__(self, columns: int) -> None:
        super().__init__(f"{columns} columns are more than {MAX_COLUMNS}.")
        self.columns = columns


def fitting_bucket(period: DateRange) -> Bucket:
    """Return the shortest bucket whose columns are told apart at a glance."""
    return next((bucket for bucket in Bucket if _count(period, bucket) <= _AT_EASE), Bucket.YEAR)


def columns(period: DateRange, bucket: Bucket) -> list[DateRange]:
    """Return the columns of a period, oldest first. The first and the last end where the period does.

    Raises:
        TooManyColumns: no chart can show that many.
    """
    count = _count(period, bucket)
    if count > MAX_COLUMNS:
        raise TooManyColumns(count)
    found, since = [], period.since
    while since <= period.until:
        following = _following(since, bucket)
        found.append(DateRange(since, min(following - timedelta(days=1), period.until)))
        since = following
    return found


def _count(period: DateRange, bucket: Bucket) -> int:
    since, until = period
    months = 12 * (until.year - since.year) + until.month - since.month + 1
    monday = since.toordinal() - since.weekday()
    counts = {
        Bucket.DAY: period.days,
        Bucket.WEEK: (until.toordinal() - monday) // 7 + 1,
        Bucket.MONTH: months,
        Bucket.YEAR: until.year - since.year + 1,
    }
    return counts[bucket]


def _following(day: date, bucket: Bucket) -> date:
    """Return the first day of the column after the one with `day`."""
    if bucket is Bucket.DAY:
        return day + timedelta(days=1)
    if bucket is Bucket.WEEK:
        return day + timedelta(days=7 - day.weekday())
    if bucket is Bucket.MONTH:
        return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return date(day.year + 1, 1, 1)

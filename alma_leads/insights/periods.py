"""The stretches of days that figures are given for, each cut into columns of a chart. Pure; no table, no clock."""

from __future__ import annotations

import enum
from datetime import date, timedelta
from typing import NamedTuple

MAX_COLUMNS = 100
# More than that are no longer told apart at a glance.
_AT_EASE = 31


class Step(enum.StrEnum):
    """How long a column is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Stretch(NamedTuple):
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


def fitting_step(period: Stretch) -> Step:
    """Return the shortest step whose columns are told apart at a glance."""
    return next((step for step in Step if _count(period, step) <= _AT_EASE), Step.YEAR)


def columns(period: Stretch, step: Step) -> list[Stretch]:
    """Return the columns of a period, oldest first. The first and the last end where the period does.

    Raises:
        TooManyColumns: no chart can show that many.
    """
    count = _count(period, step)
    if count > MAX_COLUMNS:
        raise TooManyColumns(count)
    found, since = [], period.since
    while since <= period.until:
        following = _following(since, step)
        found.append(Stretch(since, min(following - timedelta(days=1), period.until)))
        since = following
    return found


def _count(period: Stretch, step: Step) -> int:
    since, until = period
    months = 12 * (until.year - since.year) + until.month - since.month + 1
    monday = since.toordinal() - since.weekday()
    counts = {
        Step.DAY: period.days,
        Step.WEEK: (until.toordinal() - monday) // 7 + 1,
        Step.MONTH: months,
        Step.YEAR: until.year - since.year + 1,
    }
    return counts[step]


def _following(day: date, step: Step) -> date:
    """Return the first day of the column after the one with `day`."""
    if step is Step.DAY:
        return day + timedelta(days=1)
    if step is Step.WEEK:
        return day + timedelta(days=7 - day.weekday())
    if step is Step.MONTH:
        return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return date(day.year + 1, 1, 1)

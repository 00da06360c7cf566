"""Periods are cut into columns without a gap, and into no more than can be read."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alma_leads.insights.periods import MAX_COLUMNS, Bucket, DateRange, TooManyColumns, columns, fitting_bucket

DAYS = st.dates(date(1999, 1, 1), date(2060, 12, 31))


@given(DAYS, st.integers(0, 4000), st.sampled_from(list(Bucket)))
def test_columns_are_the_period_without_a_gap(since: date, more: int, bucket: Bucket) -> None:
    period = DateRange(since, since + timedelta(days=more))
    try:
        found = columns(period, bucket)
    except TooManyColumns:
        assert more >= MAX_COLUMNS
        return
    assert (found[0].since, found[-1].until) == period
    for one, following in pairwise(found):
        assert following.since == one.until + timedelta(days=1)
    for column in found[1:]:
        begins = {Bucket.DAY: True, Bucket.WEEK: column.since.weekday() == 0, Bucket.MONTH: column.since.day == 1}
        assert begins.get(bucket, (column.since.month, column.since.day) == (1, 1))


@given(DAYS, st.integers(0, 10000))
def test_what_is_chosen_by_itself_can_be_read(since: date, more: int) -> None:
    period = DateRange(since, since + timedelta(days=more))
    assert len(columns(period, fitting_bucket(period))) <= 31


@pytest.mark.parametrize(("days", "bucket"), [(1, "day"), (31, "day"), (84, "week"), (300, "month"), (2000, "year")])
def test_longer_periods_have_longer_columns(days: int, bucket: str) -> None:
    since = date(2026, 1, 5)
    assert fitting_bucket(DateRange(since, since + timedelta(days=days - 1))) == bucket

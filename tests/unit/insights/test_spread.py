"""Spreads add up, their percentiles are right to within a class, and working time is measured as elsewhere."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alma_leads.insights.elapsed import Elapsed
from alma_leads.insights.spread import Spread, class_of, lower_edge_s
from alma_leads.leads.first_contact.working_time import WorkingTime

TIMES = st.lists(st.integers(0, 40_000_000), max_size=60)


@given(st.floats(0, 1e9))
def test_each_time_lies_in_its_class(seconds: float) -> None:
    number = class_of(seconds)
    assert lower_edge_s(number) * (1 - 1e-12) <= seconds < lower_edge_s(number + 1) * (1 + 1e-12)


@given(TIMES, TIMES)
def test_spreads_add_up(some: list[int], others: list[int]) -> None:
    together = Spread.of(some)
    together.add(Spread.of(others))
    assert together == Spread.of(some + others)
    assert together.total == len(some) + len(others)
    assert Spread.from_text(together.to_text()) == together


@given(TIMES.filter(bool), st.sampled_from([0.5, 0.9, 1.0, 0.01]))
def test_a_percentile_is_the_nearest_rank_within_the_width_of_a_class(times: list[int], share: float) -> None:
    exact = sorted(times)[math.ceil(share * len(times)) - 1]
    found = Spread.of(times).percentile(share)
    assert found is not None
    assert found == pytest.approx(exact, rel=0.05, abs=60)


def test_nothing_has_no_percentile() -> None:
    assert Spread().percentile(0.5) is None


# Nights on which clocks change, a Friday evening, a firm that works through the night, and one that never closes.
FIRMS = [
    WorkingTime(
        ZoneInfo("Europe/Berlin"), frozenset({1, 2, 3, 4, 5}), 540, 1020, "DE", "BY", frozenset({date(2026, 3, 30)})
    ),
    WorkingTime(ZoneInfo("America/New_York"), frozenset({6, 7}), 0, 1440),
    WorkingTime(ZoneInfo("Asia/Kathmandu"), frozenset(range(1, 8)), 0, 1440),
]


@pytest.mark.parametrize("firm", FIRMS, ids=lambda firm: firm.zone.key)
@settings(deadline=None)  # the first look at a country's holidays takes its time
@given(st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(-200_000, 9_000_000)), min_size=1, max_size=8))
def test_working_time_is_that_of_the_clock(firm: WorkingTime, pairs: list[tuple[int, int]]) -> None:
    begin = datetime(2026, 3, 1, 12, tzinfo=UTC)
    elapsed = Elapsed(firm, since=firm.day_of(begin))
    for offset, lasts in pairs:
        start = begin + timedelta(seconds=offset)
        end = start + timedelta(seconds=lasts)
        assert elapsed.seconds(start, end) == firm.between(start, end).total_seconds()

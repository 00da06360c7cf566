"""Working time between many pairs of moments is the working time between each of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alma_leads.leads.first_contact.elapsed import Elapsed
from alma_leads.leads.first_contact.working_time import WorkingTime

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
@given(st.lists(st.tuples(st.floats(0, 3_000_000), st.floats(-200_000, 9_000_000)), min_size=1, max_size=8))
def test_working_time_is_that_of_the_clock(firm: WorkingTime, pairs: list[tuple[float, float]]) -> None:
    begin = datetime(2026, 3, 1, 12, tzinfo=UTC)
    elapsed = Elapsed(firm, since=firm.day_of(begin))
    for offset, lasts in pairs:
        start = begin + timedelta(seconds=offset)
        end = start + timedelta(seconds=lasts)
        assert elapsed.between(start, end) == firm.between(start, end)


def test_minutes_are_whole_ones() -> None:
    firm = FIRMS[2]
    start = datetime(2026, 3, 1, 12, 0, 0, 700_000, tzinfo=UTC)
    elapsed = Elapsed(firm, since=firm.day_of(start))
    assert elapsed.minutes(start, start + timedelta(minutes=2)) == 2
    assert elapsed.minutes(start, start + timedelta(minutes=2, microseconds=-1)) == 1

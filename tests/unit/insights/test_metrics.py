"""Metrics add up, and their percentiles are exact."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from alma_leads.insights.metrics import UNMEASURED, Metrics

MINUTES = st.lists(st.none() | st.integers(UNMEASURED, 600_000), max_size=60)


def metrics_of(*several: list[int | None]) -> Metrics:
    """Return the metrics of some leads, added one list after the other."""
    found = Metrics()
    for minutes in several:
        found.add(Counter(minutes))
    return found


@given(MINUTES, MINUTES)
def test_metrics_add_up(some: list[int | None], others: list[int | None]) -> None:
    together = metrics_of(some, others)
    assert together == metrics_of(some + others)
    assert together.number == len(some) + len(others)
    assert together.pending == (some + others).count(None)
    assert together.reached == together.unmeasured + together.minutes.total()


@given(st.lists(st.integers(0, 600_000), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 1.0, 0.01]))
def test_a_percentile_is_the_nearest_rank(minutes: list[int], share: float) -> None:
    exact = sorted(minutes)[math.ceil(share * len(minutes)) - 1]
    assert metrics_of([None, UNMEASURED, *minutes]).percentile_s(share) == 60 * exact


def test_nothing_has_no_percentile() -> None:
    assert Metrics().percentile_s(0.5) is None
    assert metrics_of([None, UNMEASURED]).percentile_s(0.9) is None

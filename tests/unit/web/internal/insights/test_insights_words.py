"""How figures are said."""

from __future__ import annotations

from datetime import date

import pytest

from alma_leads.insights.periods import DateRange
from alma_leads.web.internal.insights.insights_words import days_said, share_said, span_said

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        ("2026-09-07", "2026-09-07", "7 Sep"),
        ("2026-09-07", "2026-09-13", "7 to 13 Sep"),
        ("2026-09-28", "2026-10-04", "28 Sep to 4 Oct"),
        ("2025-09-07", "2025-09-13", "7 to 13 Sep 2025"),
        ("2025-12-29", "2026-01-04", "29 Dec 2025 to 4 Jan 2026"),
        ("2025-03-01", "2025-04-02", "1 Mar to 2 Apr 2025"),
    ],
)
def test_days_are_said_as_short_as_they_are_clear(since: str, until: str, said: str) -> None:
    assert days_said(DateRange(date.fromisoformat(since), date.fromisoformat(until)), TODAY) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 0, "–"),
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (1, 3, "33 %"),
        (1, 11, "9.1 %"),
        (1, 10**6, "0.1 %"),
        (10**6 - 1, 10**6, "99.9 %"),
    ],
)
def test_a_share_tells_a_few_from_none_and_nearly_all_from_all(part: int, whole: int, said: str) -> None:
    assert share_said(part, whole) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0, "under 1 min"),
        (90, "2 min"),
        (5940, "99 min"),
        (6000, "1.7 h"),
        (7200, "2 h"),
        (36000, "10 h"),
        (3_700_000, "1,028 h"),
    ],
)
def test_a_span_is_said_no_finer_than_it_is_known(seconds: float | None, said: str) -> None:
    assert span_said(seconds) == said

"""The retry schedule."""

from __future__ import annotations

import pytest

from alma_leads.outbox.backoff import RetryPolicy

DEFAULT = RetryPolicy(max_attempts=10, base_s=30, max_s=21600)


def longest() -> float:
    return 1.0


def test_waits_double_up_to_the_cap_and_end() -> None:
    waits = [DEFAULT.delay_s(attempts, random=longest) for attempts in range(1, 11)]

    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, None]
    assert RetryPolicy(20, base_s=30, max_s=100).ceiling_s(12) == 100


def test_jitter_is_full() -> None:
    assert DEFAULT.delay_s(3, random=lambda: 0.0) == 0
    assert DEFAULT.delay_s(3, random=lambda: 0.25) == 30


def test_fractions_of_a_second_are_kept() -> None:
    assert RetryPolicy(5, base_s=0.1, max_s=0.3).delay_s(2, random=longest) == pytest.approx(0.2)


@pytest.mark.parametrize("attempts", [5, 6, 100])
def test_the_last_attempt_is_the_last(attempts: int) -> None:
    assert RetryPolicy(5, base_s=1, max_s=1).delay_s(attempts, random=longest) is None


def test_a_thousand_attempts_do_not_overflow() -> None:
    assert RetryPolicy(5000, base_s=86400, max_s=604800).ceiling_s(4000) == 604800

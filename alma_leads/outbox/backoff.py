"""When a message is tried again: exponential with full jitter, then never. Pure: no clock, no database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The retry schedule. With the defaults (10, 30 s, 6 h) the longest possible waits are:

    ======== ==== ==== ===== ===== ===== ====== ====== ====== ===== ====
    after    1st  2nd  3rd   4th   5th   6th    7th    8th    9th   10th
    wait <=  30 s 60 s 2 min 4 min 8 min 16 min 32 min 64 min 2.1 h dead
    ======== ==== ==== ===== ===== ===== ====== ====== ====== ===== ====

    Each wait is drawn evenly from zero to that ("full jitter", M. Brooker, "Exponential Backoff And Jitter"), so that
    what failed together does not come back together.

    Args:
        max_attempts: after so many it is a dead letter.
        base_s: longest wait after the first attempt, in seconds; doubled after each further one.
        max_s: no wait is longer.
    """

    max_attempts: int
    base_s: float
    max_s: float

    def ceiling_s(self, attempts: int) -> float:
        """Return the longest wait after `attempts` failed attempts (1 or more), in seconds."""
        doublings = min(attempts - 1, 64)  # beyond that a float has nothing to add, and `max_s` has long won
        return min(self.max_s, self.base_s * 2.0**doublings)

    def delay_s(self, attempts: int, *, random: Callable[[], float]) -> float | None:
        """Return seconds to wait after `attempts` failed attempts, or None when it is given up.

        `random` returns floats in [0, 1), like `random.random`.
        """
        return None if attempts >= self.max_attempts else random() * self.ceiling_s(attempts)

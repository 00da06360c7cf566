"""A spread: how many times took how long, in classes, so that spreads of several days add up. Pure; no table.

A percentile of a period cannot be had from percentiles of its days, but from the sum of their spreads. The classes
grow with the time, each 2^(1/16) = 4.4 % wider than the one before: that is how exact a percentile is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import orjson

FIRST_CLASS_S = 60  # class 0 holds what took less
PER_DOUBLING = 16


def class_of(seconds: float) -> int:
    """Return the class of a time."""
    if seconds < FIRST_CLASS_S:
        return 0
    return 1 + math.floor(PER_DOUBLING * math.log2(seconds / FIRST_CLASS_S))


def lower_edge_s(number: int) -> float:
    """Return the shortest time of a class, in seconds. The next one's is where it ends."""
    return 0.0 if number == 0 else FIRST_CLASS_S * 2 ** ((number - 1) / PER_DOUBLING)


class Spread:
    """How many times fell into each class."""

    def __init__(self, counts: Iterable[tuple[int, int]] = ()) -> None:
        self._counts = dict(counts)  # a Counter costs twice as much to add up, and a page adds up thousands

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Spread:
        """Return the spread of some times."""
        return cls(Counter(map(class_of, seconds)).items())

    @classmethod
    def from_text(cls, text: str) -> Spread:
        """Return what `to_text` wrote."""
        flat = orjson.loads(text)
        return cls(zip(flat[::2], flat[1::2], strict=True))

    def to_text(self) -> str:
        """Return the spread as JSON: class, count, class, count …, in order."""
        return orjson.dumps([number for pair in sorted(self._counts.items()) for number in pair]).decode()

    def add(self, other: Spread) -> None:
        """Count in what another spread holds."""
        counts = self._counts
        known = counts.get
        for number, count in other._counts.items():
            counts[number] = known(number, 0) + count

    @property
    def total(self) -> int:
        """How many times there are."""
        return sum(self._counts.values())

    def percentile(self, share: float) -> float | None:
        """Return the time, in seconds, within which `share` (0 < share ≤ 1) of all stayed; None when there are none.

        It is the nearest rank, and inside its class the times count as evenly spread.
        """
        rank, below = math.ceil(share * self.total), 0
        for number, count in sorted(self._counts.items()):
            if below + count >= rank:
                low, high = lower_edge_s(number), lower_edge_s(number + 1)
                return low + (high - low) * (rank - below - 0.5) / count
            below += count
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spread) and self._counts == other._counts

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"Spread({sorted(self._counts.items())})"

"""What a number of leads or of emails comes to. Pure; no table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

# What stands in place of the minutes of a lead that was reached out to, until the worker has measured them.
UNMEASURED = -1


@dataclass(slots=True)
class Metrics:
    """Leads: how many, how many of them were reached out to, and how soon.

    `minutes` counts the measured ones by their working minutes to first contact. `returning` had an earlier lead of
    the same prospect.
    """

    number: int = 0
    reached: int = 0
    returning: int = 0
    unmeasured: int = 0
    minutes: Counter[int] = field(default_factory=Counter)

    @property
    def pending(self) -> int:
        """How many still wait."""
        return self.number - self.reached

    def add(self, counts: Mapping[int | None, int]) -> None:
        """Add leads, counted by their minutes to first contact: None while they wait, or UNMEASURED."""
        for minutes, count in counts.items():
            self.number += count
            if minutes is None:
                continue
            self.reached += count
            if minutes == UNMEASURED:
                self.unmeasured += count
            else:
                self.minutes[minutes] += count

    def percentile_s(self, share: float) -> int | None:
        """Return the seconds within which `share` (0 < share ≤ 1) of the measured leads were reached; None without any.

        This is the nearest rank: the time of a lead, in whole minutes, and not one between two.
        """
        rank = math.ceil(share * self.minutes.total())
        for minutes, count in sorted(self.minutes.items()):
            rank -= count
            if rank <= 0:
                return 60 * minutes
        return None


@dataclass(slots=True)
class MailMetrics:
    """Finished emails: accepted at the first attempt, accepted after a retry, failed."""

    first: int = 0
    retried: int = 0
    dead: int = 0

    @property
    def sent(self) -> int:
        """How many a mail server accepted."""
        return self.first + self.retried

    @property
    def total(self) -> int:
        """How many were finished."""
        return self.sent + self.dead

    def add(self, other: MailMetrics) -> None:
        """Add other emails."""
        self.first += other.first
        self.retried += other.retried
        self.dead += other.dead

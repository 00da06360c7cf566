"""The states of a lead and the one change there is, as data."""

from __future__ import annotations

import enum


class LeadStatus(enum.StrEnum):
    """Where a lead stands."""

    PENDING = "PENDING"
    REACHED_OUT = "REACHED_OUT"


TRANSITIONS: dict[LeadStatus, frozenset[LeadStatus]] = {
    LeadStatus.PENDING: frozenset({LeadStatus.REACHED_OUT}),
    LeadStatus.REACHED_OUT: frozenset(),
}


def sources_of(target: LeadStatus) -> tuple[LeadStatus, ...]:
    """Return the states from which `target` can be entered."""
    return tuple(source for source, targets in TRANSITIONS.items() if target in targets)

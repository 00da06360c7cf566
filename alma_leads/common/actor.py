"""Who did something: a person of the firm, a key, a prospect, or the application itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Actor:
    """The doer of an event.

    Args:
        kind: "prospect", "user", "key", "system", or "stranger" for whoever could not prove to be someone.
        id: the row of the person or key, where there is one.
        name: as shown in the event log.
        address: network address; never kept for prospects.
    """

    kind: Literal["prospect", "user", "key", "system", "stranger"]
    id: int | None
    name: str
    address: str | None = None


PROSPECT = Actor("prospect", None, "Prospect")
SYSTEM = Actor("system", None, "Alma")
OPERATOR = Actor("system", None, "Operator, command line")


def stranger(address: str) -> Actor:
    """Return someone at `address` who has not proved to be anyone."""
    return Actor("stranger", None, "Someone", address)

"""The firm's first-response target as a value: when a lead is near it, overdue, or overdue for twice as long.

Read from the one row that the settings page writes; nothing is changed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, select

from alma_leads.database.base import from_stamp
from alma_leads.leads.first_contact.models import FirstContactClock
from alma_leads.leads.first_contact.working_time import WorkingTime

# The version of the settings, for a statement that is run anyway.
CURRENT_VERSION = select(FirstContactClock.version).scalar_subquery()
_SETTINGS = select(FirstContactClock)


class Moments(NamedTuple):
    """When a pending lead turns amber, when it is overdue, and when it has waited for twice the target."""

    amber_at: datetime
    due_at: datetime
    twice_at: datetime


@dataclass(frozen=True)
class FirstContact:
    """The firm's settings. Both targets are working time, and None when there is no target."""

    version: int
    working: WorkingTime
    target: timedelta | None
    amber: timedelta | None

    def said(self, stamp: str) -> str:
        """Format a timestamp in the firm's time zone, as "Tuesday 24 November 2026, 10:00 (Europe/Berlin)"."""
        there = from_stamp(stamp).astimezone(self.working.zone)
        return f"{there:%A} {there.day} {there:%B %Y, %H:%M} ({self.working.zone.key})"

    def moments(self, received_at: datetime) -> Moments | None:
        """Return the due times of a lead, or None when there is no target."""
        if self.target is None or self.amber is None:
            return None
        return Moments(
            self.working.add(received_at, self.amber),
            self.working.add(received_at, self.target),
            self.working.add(received_at, 2 * self.target),
        )


# The settings that each database was last found to hold. Every submission reads their version anyway, which tells
# whether they still hold.
_cached: WeakKeyDictionary[Engine, FirstContact] = WeakKeyDictionary()


def read(connection: Connection) -> FirstContact:
    """Return the present settings."""
    row = connection.execute(_SETTINGS).one()
    settings = _cached[connection.engine] = FirstContact(
        row.version,
        WorkingTime(
            ZoneInfo(row.time_zone),
            frozenset(map(int, row.weekdays)),
            row.opens_minute,
            row.closes_minute,
            row.country,
            row.subdivision,
            frozenset(map(date.fromisoformat, row.closed_days.split())),
        ),
        None if row.target_minutes is None else timedelta(minutes=row.target_minutes),
        None if row.amber_minutes is None else timedelta(minutes=row.amber_minutes),
    )
    return settings


def firm_zone(connection: Connection) -> str:
    """Return the name of the firm's time zone."""
    return connection.execute(select(FirstContactClock.time_zone)).scalar_one()


def of_version(connection: Connection, version: int) -> FirstContact:
    """Return the settings of this version; or, when they have changed since it was read, the present ones."""
    cached = _cached.get(connection.engine)
    return cached if cached is not None and cached.version == version else read(connection)

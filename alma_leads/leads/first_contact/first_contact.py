"""The firm's target for a first contact, as a value: when a lead comes near it, passes it, and passes it twice over.

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
from alma_leads.database.raw import Sql
from alma_leads.leads.first_contact.models import FirstContactClock
from alma_leads.leads.first_contact.working_time import WorkingTime

# What an UPDATE of `leads` sets when a person has acted: nobody is reminded of that lead any more.
SETTLED = "remind_at = NULL, reminders = 2"
# The version of the settings, for a statement that is run anyway.
CURRENT_VERSION = select(FirstContactClock.version).scalar_subquery()
VERSION = "(SELECT version FROM first_contact_clock)"
_ROW = Sql("""
    SELECT version, time_zone, weekdays, opens_minute, closes_minute, country, subdivision, closed_days,
           target_minutes, amber_minutes
    FROM first_contact_clock
""")


_ZONE = Sql("SELECT time_zone FROM first_contact_clock")


class Moments(NamedTuple):
    """When a lead that waits turns amber, when its target is passed, and when twice its target is."""

    amber_at: datetime
    due_at: datetime
    twice_at: datetime


@dataclass(frozen=True)
class FirstContact:
    """The settings of the clock. Targets are working time; both are None when there is no target."""

    version: int
    working: WorkingTime
    target: timedelta | None
    amber: timedelta | None

    def said(self, stamp: str) -> str:
        """Return a stamp as the firm's clock says it: "Tuesday 24 November 2026, 10:00 (Europe/Berlin)"."""
        there = from_stamp(stamp).astimezone(self.working.zone)
        return f"{there:%A} {there.day} {there:%B %Y, %H:%M} ({self.working.zone.key})"

    def moments(self, received_at: datetime) -> Moments | None:
        """Return the moments of a lead, or None when there is no target."""
        if self.target is None or self.amber is None:
            return None
        return Moments(
            self.working.add(received_at, self.amber),
            self.working.add(received_at, self.target),
            self.working.add(received_at, 2 * self.target),
        )


# What each database was last found to hold; its version, which every submission reads anyway, tells if it still does.
_known: WeakKeyDictionary[Engine, FirstContact] = WeakKeyDictionary()


def read(connection: Connection) -> FirstContact:
    """Return the settings as they are now."""
    row = _ROW.row(connection)
    assert row is not None
    version, zone, weekdays, opens, closes, country, subdivision, closed, target, amber = row
    found = FirstContact(
        version,
        WorkingTime(
            ZoneInfo(zone),
            frozenset(map(int, weekdays)),
            opens,
            closes,
            country,
            subdivision,
            frozenset(map(date.fromisoformat, closed.split())),
        ),
        None if target is None else timedelta(minutes=target),
        None if amber is None else timedelta(minutes=amber),
    )
    _known[connection.engine] = found
    return found


def firm_zone(connection: Connection) -> str:
    """Return the name of the firm's time zone."""
    row = _ZONE.row(connection)
    assert row is not None
    return str(row[0])


def of_version(connection: Connection, version: int) -> FirstContact:
    """Return the settings of this version; or, when they have changed since it was read, the present ones."""
    found = _known.get(connection.engine)
    return found if found is not None and found.version == version else read(connection)

"""Counting the leads and the mail of one day at the firm, straight from their tables. Reads only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection

from alma_leads.database.base import from_stamp, to_stamp
from alma_leads.database.raw import Sql
from alma_leads.insights.elapsed import Elapsed
from alma_leads.insights.spread import Spread, class_of
from alma_leads.leads.first_contact.working_time import WorkingTime

NOBODY = "0"
OVER_AFTER = timedelta(hours=1)

_FIRST = Sql("SELECT min(created_at) FROM leads")
_LEADS = Sql("""
    SELECT l.attorney_id, l.source, l.source_key_id, l.created_at, l.reached_out_at,
           EXISTS (SELECT 1 FROM leads e WHERE e.prospect_id = l.prospect_id AND e.id < l.id)
    FROM leads l WHERE l.created_at >= :since AND l.created_at < :until
""")
_MAIL = Sql("""
    SELECT CASE WHEN state = 'dead' THEN 'dead' WHEN attempts <= 1 THEN 'first' ELSE 'retried' END AS outcome, count(*)
    FROM outbox_messages WHERE settled_at >= :since AND settled_at < :until GROUP BY outcome
""")


@dataclass(slots=True)
class Figures:
    """What was counted of something. See `models.Tally`."""

    number: int = 0
    reached: int = 0
    came_back: int = 0
    contact: Spread = field(default_factory=Spread)

    def add(self, other: Figures) -> None:
        """Count in what was counted elsewhere."""
        self.number += other.number
        self.reached += other.reached
        self.came_back += other.came_back
        self.contact.add(other.contact)


# Figures by facet and subject.
Counted = dict[tuple[str, str], Figures]


def beginning(working: WorkingTime, day: date) -> datetime:
    """Return when a day begins at the firm, in UTC."""
    return datetime.combine(day, time.min, working.zone).astimezone(UTC)


def last_day_over(working: WorkingTime, now: datetime) -> date:
    """Return the last day at the firm that is over."""
    return working.day_of(now - OVER_AFTER) - timedelta(days=1)


def first_day(connection: Connection, working: WorkingTime) -> date | None:
    """Return the day of the first lead, or None when there is none."""
    stamp = _FIRST.rows(connection)[0][0]
    return None if stamp is None else working.day_of(from_stamp(stamp))


def count_day(connection: Connection, working: WorkingTime, day: date) -> Counted:
    """Return what there is to say of a day. Leads count for the day that they came in, mail for the day it was settled.

    A time to first contact is the firm's working time.
    """
    within = {
        "since": to_stamp(beginning(working, day)),
        "until": to_stamp(beginning(working, day + timedelta(days=1))),
    }
    counted: defaultdict[tuple[str, str], Figures] = defaultdict(Figures)
    everything = counted["all", ""]
    classes: defaultdict[tuple[str, str], defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    elapsed = Elapsed(working, since=day)
    for attorney_id, source, key_id, received, reached, came_back in _LEADS.each(connection, **within):
        attorney = "attorney", str(attorney_id) if attorney_id else NOBODY
        door = "source", f"{source}:{key_id}" if key_id else source or ""
        for figures in (everything, counted[attorney], counted[door]):
            figures.number += 1
            figures.reached += reached is not None
            figures.came_back += bool(came_back)
        if reached is not None:
            took = class_of(elapsed.seconds(from_stamp(received), from_stamp(reached)))
            classes["all", ""][took] += 1
            classes[attorney][took] += 1
    for subject, found in classes.items():
        counted[subject].contact = Spread(found.items())
    for outcome, number in _MAIL.rows(connection, **within):
        counted["mail", outcome] = Figures(number)
    return dict(counted)

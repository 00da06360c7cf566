"""The report of a period: the figures of its columns, its attorneys, its sources and its emails. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.common.extensions import db
from alma_leads.insights import queries
from alma_leads.insights.metrics import MailMetrics, Metrics
from alma_leads.insights.periods import DateRange
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.leads.first_contact.working_time import WorkingTime

# Days ago, the first and the last of each group of leads that wait; None is "or more".
AGES: tuple[tuple[int, int | None], ...] = ((0, 0), (1, 2), (3, 4), (5, 6), (7, 29), (30, None))


class AttorneyMetrics(NamedTuple):
    """Someone's leads of the period; `name` and `email` are empty for those of nobody."""

    name: str
    email: str
    metrics: Metrics


class SourceMetrics(NamedTuple):
    """How many leads came in by a channel: "form", "api", "key", or "" where it isn't known; `key` names a key."""

    channel: str
    key: str
    number: int


@dataclass(slots=True)
class Column:
    """What is said of a column of the charts."""

    days: DateRange
    leads: Metrics = field(default_factory=Metrics)
    mail: MailMetrics = field(default_factory=MailMetrics)


@dataclass(frozen=True, slots=True)
class Report:
    """All that is said of a period, and how many leads of any day wait now, for each of `AGES`."""

    columns: list[Column]
    leads: Metrics
    mail: MailMetrics
    attorneys: list[AttorneyMetrics]
    sources: list[SourceMetrics]
    waiting: list[int]


def first_day(working: WorkingTime) -> date | None:
    """Return the day of the first lead, or None when there is none."""
    first = queries.first_lead_at(db.session.connection())
    return None if first is None else working.day_of(first)


def make_report(settings: FirstContact, columns: Sequence[DateRange], *, first: date, today: date) -> Report:
    """Return the report of a period.

    Args:
        settings: the firm's working time.
        columns: the days of the period, one column after the other.
        first: the day of the first lead.
        today: the day at the firm.
    """
    connection, working = db.session.connection(), settings.working
    found = [Column(days) for days in columns]
    counts = queries.LeadCounts()
    if columns[-1].until >= first:
        counts = queries.count_leads(connection, working, columns, version=settings.version)
        _fill(connection, working, found, counts)
    leads, mail = Metrics(), MailMetrics()
    for counted in counts.columns:
        leads.add(counted)
    for column in found:
        leads.returning += column.leads.returning
        mail.add(column.mail)
    return Report(
        found,
        leads,
        mail,
        _attorneys(connection, counts),
        _sources(connection, counts),
        _waiting(connection, working, first, today),
    )


def _fill(connection: Connection, working: WorkingTime, columns: list[Column], counts: queries.LeadCounts) -> None:
    returning = queries.count_returning(connection, working, [column.days for column in columns])
    for column, counted, returned in zip(columns, counts.columns, returning, strict=True):
        column.leads.add(counted)
        column.leads.returning = returned
        column.mail = queries.count_mail(connection, working, column.days)


def _attorneys(connection: Connection, counts: queries.LeadCounts) -> list[AttorneyMetrics]:
    """Return who had leads, most leads first, nobody's last."""
    users = {user.id: user for user in queries.list_attorneys(connection)}
    metrics: defaultdict[int | None, Metrics] = defaultdict(Metrics)
    for (attorney_id, minutes), count in counts.attorneys.items():
        metrics[attorney_id].add({minutes: count})
    rows = [
        AttorneyMetrics(users[attorney_id].name, users[attorney_id].email, found)
        if attorney_id in users
        else AttorneyMetrics("", "", found)
        for attorney_id, found in metrics.items()
    ]
    return sorted(rows, key=lambda row: (not row.email, -row.metrics.number, row.name, row.email))


def _sources(connection: Connection, counts: queries.LeadCounts) -> list[SourceMetrics]:
    """Return the channels that leads came by, the busiest first, the unknown last."""
    names = {key.id: key.name for key in queries.list_keys(connection)}
    rows = [
        SourceMetrics(source or "", names.get(key_id, ""), number)
        for (source, key_id), number in counts.sources.items()
    ]
    return sorted(rows, key=lambda row: (not row.channel, -row.number, row.key))


def _waiting(connection: Connection, working: WorkingTime, first: date, today: date) -> list[int]:
    """Return how many leads wait, for each of `AGES`."""
    found = []
    for youngest, oldest in AGES:
        since = first if oldest is None else today - timedelta(days=oldest)
        until = today - timedelta(days=youngest)
        found.append(queries.count_pending(connection, working, DateRange(since, until)) if since <= until else 0)
    return found

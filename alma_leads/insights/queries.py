"""What insights ask of the tables. Reads only.

A column of a chart is one statement over its days. The database groups its leads by minutes to first contact, so that
percentiles are exact and few rows are read: a row costs more on its way to Python than in the database.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from sqlalchemy import ColumnElement, Connection, Row, String, bindparam, case, exists, func, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, aliased

from alma_leads.accounts.core.models import ApiKey, User
from alma_leads.insights.metrics import UNMEASURED, MailMetrics
from alma_leads.insights.periods import DateRange
from alma_leads.leads.core.models import Lead
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.first_contact.working_time import WorkingTime
from alma_leads.outbox.models import MessageState, OutboxMessage


def _within(moment: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]) -> ColumnElement[bool]:
    return (moment >= bindparam("since")) & (moment < bindparam("until"))


_FIRST = select(func.min(Lead.created_at))
_LEADS = (
    select(
        Lead.attorney_id,
        # As text: to turn each of many into a member of its enumeration takes longer than to read it.
        type_coerce(Lead.source, String).label("source"),
        Lead.source_key_id,
        case(
            (Lead.status == LeadStatus.PENDING, None),
            (Lead.clock_version < bindparam("version"), UNMEASURED),
            else_=func.coalesce(Lead.contact_minutes, UNMEASURED),
        ).label("minutes"),
        func.count().label("number"),
    )
    .where(_within(Lead.created_at))
    .group_by("attorney_id", "source", "source_key_id", "minutes")
)
_Earlier = aliased(Lead)
_RETURNING = (
    select(Lead.created_at)
    .where(_within(Lead.created_at), exists().where(_Earlier.prospect_id == Lead.prospect_id, _Earlier.id < Lead.id))
    .order_by(Lead.created_at)
)
_PENDING = select(func.count()).select_from(Lead).where(Lead.status == LeadStatus.PENDING, _within(Lead.created_at))
_FAILED = OutboxMessage.state == MessageState.DEAD
_MAIL = select(
    func.count(case((~_FAILED & (OutboxMessage.attempts <= 1), 1))).label("first"),
    func.count(case((~_FAILED & (OutboxMessage.attempts > 1), 1))).label("retried"),
    func.count(case((_FAILED, 1))).label("dead"),
).where(_within(OutboxMessage.settled_at))
_ATTORNEYS = select(User.id, User.name, User.email)
_KEYS = select(ApiKey.id, ApiKey.name)


@dataclass(slots=True)
class LeadCounts:
    """Leads of some days, counted in three ways.

    `columns` counts those of each column by minutes to first contact (see `Metrics.add`), `attorneys` all of them by
    attorney and minutes, `sources` by source and key.
    """

    columns: list[Counter[int | None]] = field(default_factory=list)
    attorneys: Counter[tuple[int | None, int | None]] = field(default_factory=Counter)
    sources: Counter[tuple[str | None, int | None]] = field(default_factory=Counter)


def first_lead_at(connection: Connection) -> datetime | None:
    """Return when the first lead came in, or None when there is none."""
    return connection.scalar(_FIRST)


def count_leads(
    connection: Connection, working: WorkingTime, columns: Sequence[DateRange], *, version: int
) -> LeadCounts:
    """Count the leads that came in on the days of `columns`.

    Args:
        connection: to read over.
        working: the firm's, which says when its days begin.
        columns: days, one column after the other.
        version: of the firm's hours; what was measured by earlier ones is not measured.
    """
    counts = LeadCounts()
    for days in columns:
        column = Counter[int | None]()
        values = bounds(working, days) | {"version": version}
        for row in connection.execute(_LEADS, values):
            minutes, number = row.minutes, row.number
            column[minutes] += number
            counts.attorneys[row.attorney_id, minutes] += number
            counts.sources[row.source, row.source_key_id] += number
        counts.columns.append(column)
    return counts


def count_returning(connection: Connection, working: WorkingTime, columns: Sequence[DateRange]) -> list[int]:
    """Return how many leads of each column had an earlier one of the same prospect."""
    period = DateRange(columns[0].since, columns[-1].until)
    found = connection.scalars(_RETURNING, bounds(working, period)).all()
    edges = [bisect_left(found, bounds(working, days)["since"]) for days in columns] + [len(found)]
    return [after - before for before, after in pairwise(edges)]


def count_pending(connection: Connection, working: WorkingTime, days: DateRange) -> int:
    """Return how many leads of some days wait."""
    return connection.scalar(_PENDING, bounds(working, days)) or 0


def count_mail(connection: Connection, working: WorkingTime, days: DateRange) -> MailMetrics:
    """Return what became of the emails that were finished on some days."""
    found = connection.execute(_MAIL, bounds(working, days)).one()
    return MailMetrics(found.first, found.retried, found.dead)


def list_attorneys(connection: Connection) -> Sequence[Row[int, str, str]]:
    """Return everyone who may have leads: id, name and email."""
    return connection.execute(_ATTORNEYS).all()


def list_keys(connection: Connection) -> Sequence[Row[int, str]]:
    """Return the API keys: id and name."""
    return connection.execute(_KEYS).all()


def bounds(working: WorkingTime, days: DateRange) -> dict[str, datetime]:
    """Return when some days begin and end at the firm, in UTC."""
    return {"since": _beginning(working, days.since), "until": _beginning(working, days.until + timedelta(days=1))}


def _beginning(working: WorkingTime, day: date) -> datetime:
    return datetime.combine(day, time.min, working.zone).astimezone(UTC)

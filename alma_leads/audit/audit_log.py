"""Read the audit log: a page of it, a count of its events, and all of them as CSV or NDJSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, Select, func, select, tuple_
from sqlalchemy.orm import Session

from alma_leads.audit.models import AuditEvent
from alma_leads.database.base import to_stamp
from alma_leads.database.transactions import reading_through
from alma_leads.file_formats.formats import TextFormat
from alma_leads.file_formats.records import write_records

EXPORT_BATCH = 1000
FIELDS = ("id", "at", "action", "actor_type", "actor_id", "actor_name", "actor_address", "subject", "data")


class LogPosition(NamedTuple):
    """A position in the log, between two pages: the last event of the first one."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which events to read. Both times are inclusive. `actor_kind` without `actor_id` means actors without an id."""

    action: str | None = None
    actor_kind: str | None = None
    actor_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def list_events(
    session: Session, wanted: LogFilter, *, limit: int, after: LogPosition | None = None
) -> tuple[list[AuditEvent], LogPosition | None]:
    """Return up to `limit` events, newest first, and the position after them if there are more."""
    found = session.scalars(events_query(wanted, after=after).limit(limit + 1)).all()
    events = list(found[:limit])
    return events, LogPosition(events[-1].at, events[-1].id) if len(found) > limit else None


def events_query(wanted: LogFilter, *, after: LogPosition | None = None) -> Select[AuditEvent]:
    """Return the query for the events of a filter, newest first."""
    query = select(AuditEvent).where(*_conditions(wanted)).order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
    return query if after is None else query.where(tuple_(AuditEvent.at, AuditEvent.id) < after)


def count_events(session: Session, wanted: LogFilter) -> int:
    """Return how many events there are."""
    return session.scalars(select(func.count(AuditEvent.id)).where(*_conditions(wanted))).one()


def export_events(engine: Engine, wanted: LogFilter, *, kind: TextFormat) -> Iterator[bytes]:
    """Yield a document with all events of a filter, newest first."""
    with reading_through(engine) as connection, Session(connection) as session:
        events = session.scalars(events_query(wanted).execution_options(yield_per=EXPORT_BATCH))
        yield from write_records(FIELDS, map(_record, events), kind=kind)


def _record(event: AuditEvent) -> tuple[object, ...]:
    return (
        event.id,
        to_stamp(event.at),
        event.action,
        event.actor_kind,
        event.actor_id,
        event.actor_name,
        event.actor_address,
        event.subject,
        event.data,
    )


def _conditions(wanted: LogFilter) -> list[ColumnElement[bool]]:
    given: list[ColumnElement[bool]] = []
    if wanted.action is not None:
        given.append(AuditEvent.action == wanted.action)
    if wanted.actor_kind is not None:
        given += [AuditEvent.actor_kind == wanted.actor_kind, AuditEvent.actor_id == wanted.actor_id]
    if wanted.since is not None:
        given.append(AuditEvent.at >= wanted.since)
    if wanted.until is not None:
        given.append(AuditEvent.at <= wanted.until)
    return given

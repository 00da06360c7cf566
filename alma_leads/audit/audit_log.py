"""Reading the audit log: a page of it, how many events there are, and all of them as CSV or NDJSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Engine

from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading_through
from alma_leads.file_formats.streaming import Column, Format, document, export_statement, moment, stream

COLUMNS = (
    Column("id", "id", "id", "number"),
    moment("at", "at"),
    Column("action", "action", "action"),
    Column("actor_type", "actor_kind", "actor_kind"),
    Column("actor_id", "actor_id", "actor_id", "number"),
    Column("actor_name", "actor_name", "actor_name", "text"),
    Column("actor_address", "actor_address", "actor_address", "text"),
    Column("subject", "subject", "subject", "text"),
    Column("data", "data", "data", "json"),
)


class Place(NamedTuple):
    """A place in the log: everything older than the event with this moment and number."""

    at: str
    id: int


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which events. Stamps are inclusive; `actor_id` counts only beside `actor_kind`, and None means without number."""

    action: str | None = None
    actor_kind: str | None = None
    actor_id: int | None = None
    since: str | None = None
    until: str | None = None


class LogRow(NamedTuple):
    """An event as it was written."""

    id: int
    at: str
    action: str
    actor_kind: str
    actor_id: int | None
    actor_name: str
    actor_address: str | None
    subject: str
    data: dict[str, Any]


def page(
    connection: Connection, wanted: LogFilter, *, limit: int, before: Place | None = None
) -> tuple[list[LogRow], Place | None]:
    """Return up to `limit` events, newest first, and the place where the log goes on, if it does.

    Args:
        connection: to read over.
        wanted: which events.
        limit: how many.
        before: where the page begins; the newest event when None.
    """
    statement, params = page_statement(wanted, before=before)
    rows = statement.rows(connection, limit=limit + 1, **params)
    found = [_row(row) for row in rows[:limit]]
    return found, Place(found[-1].at, found[-1].id) if len(rows) > limit else None


def page_statement(wanted: LogFilter, *, before: Place | None = None) -> tuple[Sql, dict[str, Any]]:
    """Return the statement of `page` and its parameters but for the limit; a test reads how it is carried out."""
    conditions, params = _conditions(wanted)
    if before is not None:
        conditions = (*conditions, "(at, id) < (:before_at, :before_id)")
        params |= {"before_at": before.at, "before_id": before.id}
    return _page(conditions), params


def count(connection: Connection, wanted: LogFilter) -> int:
    """Return how many events there are at this moment."""
    conditions, params = _conditions(wanted)
    number: int = _count(conditions).rows(connection, **params)[0][0]
    return number


def stream_log(engine: Engine, wanted: LogFilter, *, kind: Format) -> Iterator[bytes]:
    """Yield a document of all events, newest first; CSV names the columns."""
    return document(COLUMNS, _lines(engine, wanted, kind=kind), kind=kind, title="Audit log")


def _lines(engine: Engine, wanted: LogFilter, *, kind: Format) -> Iterator[bytes]:
    conditions, params = _conditions(wanted)
    with reading_through(engine) as connection:
        yield from stream(connection, _export(conditions, kind), params)


def _row(found: tuple[Any, ...]) -> LogRow:
    return LogRow(*found)._replace(data=orjson.loads(found[-1]))


def _conditions(wanted: LogFilter) -> tuple[tuple[str, ...], dict[str, Any]]:
    given = {
        "action": ("action = :action", wanted.action),
        "actor_kind": ("actor_kind = :actor_kind", wanted.actor_kind),
        "actor_id": ("actor_id = :actor_id", wanted.actor_id),
        "since": ("at >= :since", wanted.since),
        "until": ("at <= :until", wanted.until),
    }
    conditions = tuple(condition for condition, value in given.values() if value is not None)
    if wanted.actor_kind is not None and wanted.actor_id is None:
        conditions = (*conditions, "actor_id IS NULL")
    return conditions, {name: value for name, (_, value) in given.items() if value is not None}


def _select(columns: str, conditions: tuple[str, ...]) -> str:
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {columns} FROM audit_events {where}"


@lru_cache(maxsize=64)
def _page(conditions: tuple[str, ...]) -> Sql:
    columns = "id, at, action, actor_kind, actor_id, actor_name, actor_address, subject, data"
    return Sql(f"{_select(columns, conditions)} ORDER BY at DESC, id DESC LIMIT :limit")


@lru_cache(maxsize=64)
def _count(conditions: tuple[str, ...]) -> Sql:
    return Sql(_select("count(*)", conditions))


@lru_cache(maxsize=64)
def _export(conditions: tuple[str, ...], kind: Format) -> Sql:
    return export_statement(COLUMNS, lambda columns: f"{_select(columns, conditions)} ORDER BY at DESC, id DESC", kind)

"""The table of what has been counted: read as figures, and the statements that `count_service` writes it with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import Connection

from alma_leads.database.raw import Sql, sql_in
from alma_leads.insights.counting import Counted, Figures
from alma_leads.insights.spread import Spread

Span = Literal["day", "month"]

_RANGE = Sql("SELECT min(day), max(day) FROM insight_tallies WHERE span = 'day'")
_OUTDATED = Sql("""
    SELECT day FROM insight_tallies WHERE span = 'day' AND facet = 'all' AND version <> :version
    ORDER BY day LIMIT :limit
""")
_READ = """
    SELECT day, facet, subject, number, reached, came_back, contact FROM insight_tallies
    WHERE span = :span AND day >= :since AND day <= :until
"""
_READ_ALL = Sql(_READ)
_READ_TOTALS = Sql(f"{_READ} AND facet IN ('all', 'mail')")
_MONTHS = Sql("""
    SELECT min(day), max(day) FROM insight_tallies
    WHERE span = 'month' AND facet = 'all' AND day >= :since AND day < :month
""")
FORGET = sql_in("DELETE FROM insight_tallies WHERE span = :span AND day IN :ids")
# When the firm moves west, the last day that was over may go on for some hours.
FORGET_AFTER = Sql("""
    DELETE FROM insight_tallies WHERE (span = 'day' AND day > :over) OR (span = 'month' AND day >= :month)
""")
FORGET_ALL = Sql("DELETE FROM insight_tallies")
_COLUMNS = ("day", "facet", "subject", "number", "reached", "came_back", "contact")
_KEEP = f"INSERT INTO insight_tallies (span, version, {', '.join(_COLUMNS)}) SELECT :span, :version, "
KEEP = Sql(
    sqlite=_KEEP
    + ", ".join(f"json_extract(value, '$[{place}]')" for place in range(len(_COLUMNS)))
    + " FROM json_each(:rows)",
    postgresql=_KEEP
    + ", ".join(
        f"CAST(value ->> {place} AS {'integer' if name in ('number', 'reached', 'came_back') else 'text'})"
        for place, name in enumerate(_COLUMNS)
    )
    + " FROM json_array_elements(:rows)",
)


class Range(NamedTuple):
    """The first and the last day that are counted; all between them are."""

    first: date
    last: date


class Row(NamedTuple):
    """Figures of a day, or of the month that begins with it."""

    day: date
    facet: str
    subject: str
    figures: Figures


def counted_range(connection: Connection) -> Range | None:
    """Return which days are counted, or None when none are."""
    first, last = _RANGE.rows(connection)[0]
    return None if first is None else Range(date.fromisoformat(first), date.fromisoformat(last))


def outdated_days(connection: Connection, *, version: int, limit: int) -> list[date]:
    """Return the first days that were counted by other working hours than those of `version`."""
    return [date.fromisoformat(row[0]) for row in _OUTDATED.rows(connection, version=version, limit=limit)]


def read(connection: Connection, span: Span, since: date, until: date, *, totals_only: bool = False) -> Iterator[Row]:
    """Yield what was counted of the days, or of the months that begin, from `since` to `until`.

    Args:
        connection: to read over.
        span: days or months.
        since: the first.
        until: the last.
        totals_only: leave out who had the leads, and how they came.
    """
    statement = _READ_TOTALS if totals_only else _READ_ALL
    found = statement.each(connection, span=span, since=since.isoformat(), until=until.isoformat())
    for day, facet, subject, number, reached, came_back, contact in found:
        figures = Figures(number, reached, came_back, Spread.from_text(contact))
        yield Row(date.fromisoformat(day), facet, subject, figures)


def read_quickly(connection: Connection, since: date, until: date) -> Iterator[Row]:
    """Yield what was counted from `since` to `until`: a row a month where a whole month is counted, else one a day."""
    # Counted days have no gap between them, and so have the months that they fill.
    first, last = _MONTHS.rows(connection, since=since.isoformat(), month=after(until)["month"])[0]
    if first is None:
        yield from read(connection, "day", since, until)
        return
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    yield from read(connection, "day", since, begin - timedelta(days=1))
    yield from read(connection, "month", begin, end)
    yield from read(connection, "day", month_end(end) + timedelta(days=1), until)


def after(over: date) -> dict[str, str]:
    """Return what `FORGET_AFTER` needs to forget what is not over with the day `over`: days, and unfinished months."""
    return {"over": over.isoformat(), "month": (over + timedelta(days=1)).replace(day=1).isoformat()}


def month_end(month: date) -> date:
    """Return the last day of the month that begins with a day."""
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def as_json(counted: dict[date, Counted]) -> str:
    """Return figures as the rows that `KEEP` takes."""
    rows: list[list[Any]] = [
        [day.isoformat(), facet, subject, each.number, each.reached, each.came_back, each.contact.to_text()]
        for day, found in counted.items()
        for (facet, subject), each in found.items()
    ]
    return orjson.dumps(rows).decode()

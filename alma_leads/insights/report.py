"""What there is to say about a period: put together from what was counted, and from the days that are not over yet.

Reads only. Days and months are the firm's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.database.raw import Sql
from alma_leads.insights import tallies
from alma_leads.insights.counting import Figures, count_day, first_day, last_day_over
from alma_leads.insights.periods import Step, Stretch
from alma_leads.insights.tallies import Row
from alma_leads.leads.first_contact.working_time import WorkingTime

# Days ago, the first and the last of each group of leads that wait; None is "or more".
AGES: tuple[tuple[int, int | None], ...] = ((0, 0), (1, 2), (3, 4), (5, 6), (7, 29), (30, None))
# So far back each day is looked at by itself.
_AGED_DAYS = 30

_PEOPLE = Sql("SELECT id, name, email FROM users")
_KEYS = Sql("SELECT id, name FROM api_keys")
_PENDING = Sql("""
    SELECT day, number - reached FROM insight_tallies
    WHERE span = :span AND day >= :since AND day <= :until AND facet = 'all'
""")


class Attorney(NamedTuple):
    """Someone's leads of the period; `email` is empty for those of nobody."""

    name: str
    email: str
    figures: Figures


class SourceFigures(NamedTuple):
    """Leads of the period by one door: "form", "api", "key", or "" where it is not known; `key` names a key."""

    door: str
    key: str
    figures: Figures


@dataclass(slots=True)
class Mail:
    """E-mails settled in a stretch of days: taken at the first try, taken after a retry, given up."""

    first: int = 0
    retried: int = 0
    dead: int = 0

    @property
    def sent(self) -> int:
        """Those that a server took."""
        return self.first + self.retried

    @property
    def total(self) -> int:
        """All that were settled."""
        return self.sent + self.dead


@dataclass(slots=True)
class Column:
    """What is said of a column of the charts."""

    days: Stretch
    leads: Figures = field(default_factory=Figures)
    mail: Mail = field(default_factory=Mail)


@dataclass(slots=True)
class Report:
    """Everything about a period. `missing` is how many of its days are not counted yet, though they are over."""

    columns: list[Column]
    leads: Figures
    mail: Mail
    attorneys: list[Attorney]
    sources: list[SourceFigures]
    missing: int


class Present:
    """What does not hang on the period: the firm's days, and what is counted.

    Args:
        connection: to read over.
        working: the firm's working time.
        now: the present.
    """

    def __init__(self, connection: Connection, working: WorkingTime, now: datetime) -> None:
        """Find out what is counted, and count the days that are not over."""
        self.working = working
        self.today = working.day_of(now)
        self.first = first_day(connection, working)
        over, found = last_day_over(working, now), tallies.counted_range(connection)
        self.counted = found and found._replace(last=min(found.last, over))
        self._over = over
        self._live = {day: count_day(connection, working, day) for day in _each(over + timedelta(days=1), self.today)}

    def rows(self, connection: Connection, period: Stretch) -> Iterator[Row]:
        """Yield all figures of a period, those of whole months together."""
        if self.counted is not None:
            since, until = self._counted_part(period, self.counted)
            yield from tallies.read_quickly(connection, since, until)
        yield from self._today(period)

    def totals(self, connection: Connection, period: Stretch) -> Iterator[Row]:
        """Yield the figures of all leads and of mail for each day of a period."""
        if self.counted is not None:
            since, until = self._counted_part(period, self.counted)
            yield from tallies.read(connection, "day", since, until, totals_only=True)
        yield from self._today(period)

    @staticmethod
    def _counted_part(period: Stretch, counted: tallies.Range) -> Stretch:
        return Stretch(max(period.since, counted.first), min(period.until, counted.last))

    def _today(self, period: Stretch) -> Iterator[Row]:
        for day, counted in self._live.items():
            if period.since <= day <= period.until:
                for (facet, subject), figures in counted.items():
                    yield Row(day, facet, subject, figures)

    def missing(self, period: Stretch) -> int:
        """Return how many days of a period are over and not counted yet."""
        if self.first is None:
            return 0
        since, until = max(period.since, self.first), min(period.until, self._over)
        if self.counted is None:
            return max(0, Stretch(since, until).days)
        after = Stretch(max(since, self.counted.last + timedelta(days=1)), until).days
        before = Stretch(since, min(until, self.counted.first - timedelta(days=1))).days
        return max(0, after) + max(0, before)

    def waiting(self, connection: Connection) -> list[int]:
        """Return how many leads wait, for each of `AGES`."""
        found = [0] * len(AGES)
        starts = [first for first, _ in AGES]
        for day, number in self._pending(connection):
            found[bisect_right(starts, (self.today - day).days) - 1] += number
        return found

    def _pending(self, connection: Connection) -> Iterator[tuple[date, int]]:
        for day, counted in self._live.items():
            yield day, counted["all", ""].number - counted["all", ""].reached
        if self.counted is None:
            return
        recent = min(self.today - timedelta(days=_AGED_DAYS), self.counted.last).replace(day=1)
        spans: tuple[tuple[tallies.Span, date, date], ...] = (
            ("month", date.min, recent - timedelta(days=1)),
            ("day", recent, self.counted.last),
        )
        for span, since, until in spans:
            for day, number in _PENDING.rows(connection, span=span, since=since.isoformat(), until=until.isoformat()):
                yield date.fromisoformat(day), number


def make_report(connection: Connection, present: Present, period: Stretch, cut: list[Stretch], step: Step) -> Report:
    """Return what there is to say about a period that is `cut` into columns of a step."""
    found: defaultdict[tuple[str, str], Figures] = defaultdict(Figures)
    columns = [Column(days) for days in cut]
    rows = list(present.rows(connection, period))
    for row in rows:
        found[row.facet, row.subject].add(row.figures)
    _fill(columns, present.totals(connection, period) if step in (Step.DAY, Step.WEEK) else rows)
    mail = Mail()
    for outcome in ("first", "retried", "dead"):
        setattr(mail, outcome, found["mail", outcome].number)
    return Report(
        columns,
        found["all", ""],
        mail,
        _attorneys(connection, found),
        _sources(connection, found),
        present.missing(period),
    )


def _fill(columns: list[Column], rows: Iterable[Row]) -> None:
    starts = [column.days.since for column in columns]
    for row in rows:
        column = columns[bisect_right(starts, row.day) - 1]
        if row.facet == "all":
            column.leads.add(row.figures)
        elif row.facet == "mail":
            setattr(column.mail, row.subject, getattr(column.mail, row.subject) + row.figures.number)


def _attorneys(connection: Connection, found: dict[tuple[str, str], Figures]) -> list[Attorney]:
    """Return who had leads, most leads first, nobody's last."""
    people = {str(number): (name, email) for number, name, email in _PEOPLE.rows(connection)}
    rows = [
        Attorney(*people.get(subject, ("", "")), figures)
        for (facet, subject), figures in found.items()
        if facet == "attorney" and figures.number
    ]
    return sorted(rows, key=lambda each: (not each.email, -each.figures.number, each.name, each.email))


def _sources(connection: Connection, found: dict[tuple[str, str], Figures]) -> list[SourceFigures]:
    """Return the doors that leads came by, the busiest first, the unknown last."""
    names = {str(number): name for number, name in _KEYS.rows(connection)}
    rows = []
    for (facet, subject), figures in found.items():
        if facet == "source" and figures.number:
            door, _, number = subject.partition(":")
            rows.append(SourceFigures(door, names.get(number, ""), figures))
    return sorted(rows, key=lambda each: (not each.door, -each.figures.number, each.key))


def _each(since: date, until: date) -> list[date]:
    return [since + timedelta(days=number) for number in range(max(0, (until - since).days + 1))]

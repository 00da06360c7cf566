"""The figures of a period in words and charts. Values only; `internal/insights.html` sets them out."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from alma_leads.insights.periods import Bucket, DateRange
from alma_leads.insights.report import AGES, Column, Report
from alma_leads.leads.core.source import Source
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.web.internal.frame.dates import LATE_DAYS, VERY_LATE_DAYS, Clock
from alma_leads.web.internal.frame.names import initials
from alma_leads.web.internal.insights import charts
from alma_leads.web.internal.insights.charts import Chart, Datum
from alma_leads.web.internal.insights.insights_mail import MailView
from alma_leads.web.internal.insights.insights_words import (
    column_name,
    column_said,
    counted,
    days_said,
    share_said,
    span_said,
)

_MINUTE, _HOUR = 60, 3600
_AGE_WORDS = (
    "Today",
    "1 to 2 days ago",
    "3 to 4 days ago",
    "5 to 6 days ago",
    "7 to 29 days ago",
    "30 days ago or more",
)
_EACH = {Bucket.DAY: "day", Bucket.WEEK: "week", Bucket.MONTH: "month", Bucket.YEAR: "year"}
_CHANNELS = {Source.FORM: "The form", Source.API: "The API, without a key", Source.KEY: "INTERNAL_API_KEY"}


class BarRow(NamedTuple):
    """A row of a table with a bar: `width` in per cent, `kind` the bar's class, `href` to the leads behind it or ""."""

    name: str
    number: str
    share: str
    width: float
    kind: str
    href: str


class AttorneyRow(NamedTuple):
    """Someone's leads of the period; nobody's have no `initials`."""

    name: str
    initials: str
    leads: str
    width: float
    reached: str
    pending: str
    href: str
    median: str
    nine_of_ten: str


class InsightsView:
    """What the page shows of a period.

    Args:
        report: the figures.
        bucket: how long a column is.
        settings: the firm's working time and target.
        clock: the reader's.
        today: the day at the firm.
    """

    def __init__(
        self,
        report: Report,
        bucket: Bucket,
        settings: FirstContact,
        clock: Clock,
        today: date,
    ) -> None:
        """Format what is shown as it is."""
        self._report, self._settings, self._clock, self._today = report, settings, clock, today
        self._bucket = bucket
        self._period = DateRange(report.columns[0].days.since, report.columns[-1].days.until)
        self.mail = MailView(report, bucket, today)
        self.each = _EACH[bucket]
        self.said = days_said(self._period, today)
        leads = report.leads
        self.leads = counted(leads.number)
        self.reached, self.pending = counted(leads.reached), counted(leads.pending)
        self.returning = share_said(leads.returning, leads.number)
        self.came_back = counted(leads.returning)
        self.unmeasured = leads.unmeasured
        self.median, self.nine_of_ten = (span_said(leads.percentile_s(share)) for share in (0.5, 0.9))
        self.waiting_now = counted(sum(report.waiting))
        self.waiting_long = sum(report.waiting[_long_from() :])
        self.waiting_long_href = self._pending_href(None, LATE_DAYS)
        self.pending_href = "/internal/leads?status=PENDING"
        self.late_days = LATE_DAYS

    # Leads

    @property
    def busiest(self) -> str:
        """The column with the most leads, in words, or "" when there is not more than one column with any."""
        columns = [column for column in self._report.columns if column.leads.number]
        if len(columns) < 2:
            return ""
        most = max(columns, key=lambda column: column.leads.number)
        return f"Most came {self._when(most.days)}: {counted(most.leads.number)}."

    @property
    def leads_chart(self) -> Chart:
        """How many came in, and which of them still wait."""
        return charts.stacked(
            [
                Datum(
                    column_name(column.days, self._bucket),
                    f"{self._column_said(column.days)}: {_leads(column.leads.number)}, "
                    f"{counted(column.leads.pending)} still pending",
                    (column.leads.reached, column.leads.pending),
                )
                for column in self._report.columns
            ]
        )

    @property
    def leads_rows(self) -> list[tuple[str, ...]]:
        """The table behind `leads_chart`."""
        return [
            (
                self._column_said(column.days),
                counted(column.leads.number),
                counted(column.leads.reached),
                counted(column.leads.pending),
                counted(column.leads.returning),
                share_said(column.leads.returning, column.leads.number),
            )
            for column in self._report.columns
        ]

    # First contact

    @property
    def contact_unit(self) -> str:
        """The unit of `contact_chart`: "min" or "h"."""
        longest = max((self._times(column)[1] or 0 for column in self._report.columns), default=0)
        return "min" if max(longest, self._target_s or 0) < 2 * _HOUR else "h"

    @property
    def contact_chart(self) -> Chart:
        """The median and the 90th percentile of the time to first contact."""
        size = _MINUTE if self.contact_unit == "min" else _HOUR
        return charts.lines(
            [
                Datum(
                    column_name(column.days, self._bucket),
                    self._contact_sentence(column),
                    [None if time is None else time / size for time in self._times(column)],
                )
                for column in self._report.columns
            ],
            goal=None if self._target_s is None else self._target_s / size,
        )

    @property
    def contact_rows(self) -> list[tuple[str, ...]]:
        """The table behind `contact_chart`."""
        return [
            (
                self._column_said(column.days),
                counted(column.leads.reached),
                *(span_said(time) for time in self._times(column)),
            )
            for column in self._report.columns
        ]

    @property
    def target(self) -> str:
        """The firm's target, or ""."""
        return "" if self._target_s is None else span_said(self._target_s)

    @property
    def _target_s(self) -> float | None:
        return None if self._settings.target is None else self._settings.target.total_seconds()

    @staticmethod
    def _times(column: Column) -> tuple[float | None, float | None]:
        return column.leads.percentile_s(0.5), column.leads.percentile_s(0.9)

    def _contact_sentence(self, column: Column) -> str:
        if not column.leads.reached:
            return f"{self._column_said(column.days)}: nobody reached yet"
        median, nine = map(span_said, self._times(column))
        return f"{self._column_said(column.days)}: half in {median}, 9 of 10 in {nine}"

    # Waiting, attorneys, sources

    @property
    def waiting_rows(self) -> list[BarRow]:
        """Who waits now, by age."""
        most, total = max(self._report.waiting), sum(self._report.waiting)
        return [
            BarRow(
                words,
                counted(number),
                share_said(number, total),
                charts.share_of_width(number, most),
                "k4" if first >= VERY_LATE_DAYS else "k3" if first >= LATE_DAYS else "k1",
                self._pending_href(last, first) if number else "",
            )
            for words, number, (first, last) in zip(_AGE_WORDS, self._report.waiting, AGES, strict=True)
        ]

    @property
    def attorney_rows(self) -> list[AttorneyRow]:
        """Whose the leads of the period are."""
        most = max((each.metrics.number for each in self._report.attorneys), default=0)
        return [
            AttorneyRow(
                each.name or "Helpdesk",
                initials(each.name) if each.name else "",
                counted(each.metrics.number),
                charts.share_of_width(each.metrics.number, most),
                counted(each.metrics.reached),
                counted(each.metrics.pending),
                self._href(self._period, status="PENDING", assigned_to=each.email or "none"),
                span_said(each.metrics.percentile_s(0.5)),
                span_said(each.metrics.percentile_s(0.9)),
            )
            for each in self._report.attorneys
        ]

    @property
    def source_rows(self) -> list[BarRow]:
        """By which door the leads of the period came."""
        most = max((each.number for each in self._report.sources), default=0)
        return [
            BarRow(
                f"Key: {each.key}" if each.key else _channel(each.channel),
                counted(each.number),
                share_said(each.number, self._report.leads.number),
                charts.share_of_width(each.number, most),
                "k1",
                "",
            )
            for each in self._report.sources
        ]

    # Words and links

    def _column_said(self, days: DateRange) -> str:
        return column_said(days, self._bucket, self._today)

    def _when(self, days: DateRange) -> str:
        if self._bucket in (Bucket.MONTH, Bucket.YEAR):
            return f"in {self._column_said(days)}"
        return f"on {self._column_said(days)}" if self._bucket is Bucket.DAY else f"from {self._column_said(days)}"

    def _pending_href(self, last: int | None, first: int) -> str:
        """Return the address of what waits and came in `first` to `last` (None: or more) days ago."""
        since = None if last is None else self._today - timedelta(days=last)
        return self._href((since, self._today - timedelta(days=first)), status="PENDING")

    def _href(self, days: tuple[date | None, date], **chosen: str) -> str:
        """Return the address of the list of leads of some days. The list knows the reader's days only."""
        since, until = days
        working, clock = self._settings.working, self._clock
        firms = Clock(working.zone, now=clock.now)
        if working.zone.key == clock.zone.key:
            stamps = since and since.isoformat(), until.isoformat()
        else:
            stamps = since and firms.start_of(since), firms.end_of(until)
        dates = {"created_from": stamps[0], "created_to": stamps[1]}
        return f"/internal/leads?{urlencode(chosen | {name: stamp for name, stamp in dates.items() if stamp})}"


def _leads(number: int) -> str:
    return f"{counted(number)} {'lead' if number == 1 else 'leads'}"


def _channel(channel: str) -> str:
    return _CHANNELS[Source(channel)] if channel else "Not known: older than the record"


def _long_from() -> int:
    """Return the place of the first of `AGES` that is late."""
    return next(place for place, (first, _) in enumerate(AGES) if first >= LATE_DAYS)

"""What became of the e-mails of a period, in words and a chart. Values only."""

from __future__ import annotations

from datetime import date

from alma_leads.insights.periods import Bucket
from alma_leads.insights.report import Column, Report
from alma_leads.web.internal.insights import charts
from alma_leads.web.internal.insights.charts import Chart, Datum
from alma_leads.web.internal.insights.insights_words import column_name, column_said, counted, share_said


class MailView:
    """What the page shows of the mail in `report`, in columns of `bucket`."""

    def __init__(self, report: Report, bucket: Bucket, today: date) -> None:
        """Say it."""
        self._report, self._bucket, self._today = report, bucket, today

    @property
    def sentence(self) -> str:
        """What became of the e-mails of the period, in a sentence."""
        mail = self._report.mail
        if not mail.total:
            return "No email was sent or given up in these days."
        dead = f"{counted(mail.dead)} ended as dead letters" if mail.dead else "none ended as dead letters"
        return (
            f"A mail server took {share_said(mail.sent, mail.total)} of {counted(mail.total)}: "
            f"{counted(mail.first)} at the first try, {counted(mail.retried)} after a retry; {dead}."
        )

    @property
    def chart(self) -> Chart:
        """How many, by what became of them."""
        return charts.stacked([self._datum(column) for column in self._report.columns])

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table behind `chart`."""
        return [
            (column_said(column.days, self._bucket, self._today), *map(counted, _outcomes(column)))
            for column in self._report.columns
        ]

    def _datum(self, column: Column) -> Datum:
        first, retried, dead = map(counted, _outcomes(column))
        said = column_said(column.days, self._bucket, self._today)
        sentence = f"{said}: {first} at once, {retried} after a retry, {dead} dead"
        return Datum(column_name(column.days, self._bucket), sentence, _outcomes(column))


def _outcomes(column: Column) -> tuple[int, int, int]:
    return column.mail.first, column.mail.retried, column.mail.dead

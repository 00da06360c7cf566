"""How figures are said: days, numbers, shares and spans of time. Values only."""

from __future__ import annotations

from datetime import date

from alma_leads.insights.periods import Bucket, DateRange

_MINUTE, _HOUR = 60, 3600


def column_name(days: DateRange, bucket: Bucket) -> str:
    """Return the short name of a column, for its place below a chart: "7 Sep", "Sep 2026" or "2026"."""
    since = days.since
    if bucket is Bucket.YEAR:
        return str(since.year)
    return f"{since:%b} {since.year}" if bucket is Bucket.MONTH else f"{since.day} {since:%b}"


def column_said(days: DateRange, bucket: Bucket, today: date) -> str:
    """Return the whole name of a column: "7 to 13 Sep", "September 2026" or "2026"."""
    if bucket is Bucket.YEAR:
        return str(days.since.year)
    return f"{days.since:%B %Y}" if bucket is Bucket.MONTH else days_said(days, today)


def days_said(days: DateRange, today: date) -> str:
    """Return "7 Sep", "7 to 13 Sep", "28 Sep to 4 Oct" or, unless both are of this year, with years."""
    since, until = days
    year = "" if since.year == until.year == today.year else f" {until.year}"
    last = f"{until.day} {until:%b}{year}"
    if since == until:
        return last
    if (since.year, since.month) == (until.year, until.month):
        return f"{since.day} to {last}"
    return f"{since.day} {since:%b}{f' {since.year}' if since.year != until.year else ''} to {last}"


def counted(number: int) -> str:
    """Return "1,234"."""
    return f"{number:,}"


def share_said(part: int, whole: int) -> str:
    """Return "12 %", with a decimal where that tells a few from none and a few missing from all; "–" of nothing."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 10 or 99 < share < 100:
        return f"{min(max(share, 0.1), 99.9):.1f} %"
    return f"{share:.0f} %"


def span_said(seconds: float | None) -> str:
    """Return "12 min", "2.5 h", "31 h"; "–" for None."""
    if seconds is None:
        return "–"
    if seconds < 100 * _MINUTE:
        return f"{round(seconds / _MINUTE)} min" if seconds >= _MINUTE else "under 1 min"
    hours = seconds / _HOUR
    return f"{hours:.1f}".removesuffix(".0") + " h" if hours < 10 else f"{hours:,.0f} h"

"""The page of figures: how many leads, how soon they are contacted, where they come from, and what became of the mail.

Everything chosen is in the address. Days are the firm's, not the reader's: a firm has one set of figures.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple

from flask import Response, make_response, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.insights.periods import MAX_COLUMNS, Bucket, DateRange, TooManyColumns, columns, fitting_bucket
from alma_leads.insights.report import first_day, make_report
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.leads.first_contact.settings_service import get_settings
from alma_leads.outbox import queries as outbox
from alma_leads.web.auth import access, needs
from alma_leads.web.errors.negotiation import wants_html
from alma_leads.web.errors.problems import InputRefused
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.desk_frame import capped, reader_clock
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.insights.insights_view import InsightsView

USUAL = "12w"
PERIODS: dict[str, tuple[str, Callable[[date, date], date]]] = {
    "7d": ("Last 7 days", lambda today, _first: today - timedelta(days=6)),
    "30d": ("Last 30 days", lambda today, _first: today - timedelta(days=29)),
    USUAL: ("Last 12 weeks", lambda today, _first: today - timedelta(days=7 * 11 + today.weekday())),
    "quarter": ("This quarter", lambda today, _first: date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)),
    "year": ("This year", lambda today, _first: date(today.year, 1, 1)),
    "all": ("All time", lambda _today, first: first),
}
BUCKETS = {"": "Automatic", Bucket.DAY: "Days", Bucket.WEEK: "Weeks", Bucket.MONTH: "Months", Bucket.YEAR: "Years"}
_PARAMETERS = ("period", "from", "to", "by")


class Asked(NamedTuple):
    """What the address asks for; `preset` is "" where it names dates."""

    preset: str
    period: DateRange
    cut: list[DateRange]
    bucket: Bucket


class Refused(Exception):
    """The address asks for what cannot be: `errors` has a sentence for each field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


@internal.get("/insights")
@access(needs(Permission.READ_INSIGHTS))
def insights_page() -> Response:
    """Show the figures of a period."""
    errors: dict[str, str] = {}
    shown: dict[str, Any] = {"chosen": {name: request.args.get(name, "") for name in _PARAMETERS}}
    settings = get_settings()
    first, today = first_day(settings.working), settings.working.day_of(utc_now())
    try:
        if first is not None:
            shown = _figures(settings, first, today)
    except Refused as refused:
        errors = refused.errors
    if errors and not wants_html():
        raise InputRefused(list(errors.items()))
    body = render_template(
        "internal/insights.html",
        presets=[(name, label) for name, (label, _) in PERIODS.items()],
        buckets=BUCKETS.items(),
        zone=settings.working.zone.key,
        empty=first is None,
        errors=errors,
        **shown,
    )
    return private(make_response(body, 422 if errors else 200))


def _figures(settings: FirstContact, first: date, today: date) -> dict[str, Any]:
    """Return what the page shows of a period, and what it says in its form."""
    asked = _asked(today, first)
    report = make_report(settings, asked.cut, first=first, today=today)
    mail = outbox.counts(db.session.connection())
    return {
        "view": InsightsView(report, asked.bucket, settings, reader_clock(), today),
        "mail_waits": capped(mail.queued + mail.retrying),
        "chosen": {
            "period": asked.preset,
            "from": asked.period.since.isoformat(),
            "to": asked.period.until.isoformat(),
            "by": request.args.get("by", ""),
        },
    }


def _asked(today: date, first: date) -> Asked:
    errors = {name: "This parameter is not known. Leave it out" for name in request.args if name not in _PARAMETERS}
    values = {name: request.args.get(name, "") for name in _PARAMETERS}
    preset, by = values["period"], values["by"]
    if preset and preset not in PERIODS:
        errors["period"] = f"Give one of {', '.join(PERIODS)}"
    if by not in list(BUCKETS):
        errors["by"] = "Choose days, weeks, months or years"
    since, until = _day(values, "from", errors), _day(values, "to", errors)
    if preset and (since or until):
        errors["period"] = "Give either a period or dates, not both"
    if errors:
        raise Refused(errors)
    if not (since or until):
        preset = preset or USUAL
        since = PERIODS[preset][1](today, first)
    since, until = since or first, min(until or today, today)
    if since > today:
        raise Refused({"from": f"Choose a day up to today, {_said(today)}"})
    if since > until:
        raise Refused({"to": f"Choose a day that is not before the first one, {_said(since)}"})
    period = DateRange(since, until)
    if until >= first:
        period = DateRange(max(since, first), until)  # before the first lead there is nothing to draw
    bucket = Bucket(by) if by else fitting_bucket(period)
    try:
        return Asked(preset, period, columns(period, bucket), bucket)
    except TooManyColumns as error:
        sentence = f"{error.columns:,} columns are more than a chart can show ({MAX_COLUMNS}). "
        raise Refused({"by": sentence + "Choose longer columns, or fewer days"}) from error


def _day(values: dict[str, str], name: str, errors: dict[str, str]) -> date | None:
    if not values[name]:
        return None
    try:
        return date.fromisoformat(values[name])
    except ValueError:
        errors[name] = "Give a date like 2026-11-24"
        return None


def _said(day: date) -> str:
    return f"{day.day} {day:%B %Y}"

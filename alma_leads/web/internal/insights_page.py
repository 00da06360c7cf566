"""The page of figures: how many leads, how soon they are contacted, where they come from, and what became of the mail.

Everything chosen is in the address. Days are the firm's, not the reader's: a firm has one set of figures.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

from flask import Response, make_response, render_template, request

from alma_leads.accounts.permissions import Permission
from alma_leads.database import reading, utc_now
from alma_leads.extensions import db
from alma_leads.insights.periods import MAX_COLUMNS, Step, Stretch, TooManyColumns, columns, fitting_step
from alma_leads.insights.report import Present, make_report
from alma_leads.leads import first_contact
from alma_leads.web.auth import access, needs
from alma_leads.web.internal.blueprint import internal
from alma_leads.web.internal.desk_frame import reader_clock
from alma_leads.web.internal.insights_view import InsightsView, days_said
from alma_leads.web.internal.list_request import private
from alma_leads.web.negotiation import wants_html
from alma_leads.web.problems import InputRefused

USUAL = "12w"
PERIODS: dict[str, tuple[str, Callable[[date, date], date]]] = {
    "7d": ("Last 7 days", lambda today, _first: today - timedelta(days=6)),
    "30d": ("Last 30 days", lambda today, _first: today - timedelta(days=29)),
    USUAL: ("Last 12 weeks", lambda today, _first: today - timedelta(days=7 * 11 + today.weekday())),
    "quarter": ("This quarter", lambda today, _first: date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)),
    "year": ("This year", lambda today, _first: date(today.year, 1, 1)),
    "all": ("All time", lambda _today, first: first),
}
STEPS = {"": "Automatic", Step.DAY: "Days", Step.WEEK: "Weeks", Step.MONTH: "Months", Step.YEAR: "Years"}
_PARAMETERS = ("period", "from", "to", "by")


class Asked(NamedTuple):
    """What the address asks for; `preset` is "" where it names dates."""

    preset: str
    period: Stretch
    cut: list[Stretch]
    step: Step


class Refused(Exception):
    """The address asks for what cannot be: `errors` has a sentence for each field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


@internal.get("/insights")
@access(needs(Permission.READ_LEADS))
def insights_page() -> Response:
    """Show the figures of a period."""
    clock = reader_clock()
    with reading(db.engine) as connection:
        settings = first_contact.read(connection)
        present = Present(connection, settings.working, utc_now())
        chosen = {name: request.args.get(name, "") for name in _PARAMETERS}
        words = {
            "chosen": chosen,
            "presets": [(name, label) for name, (label, _) in PERIODS.items()],
            "steps": STEPS.items(),
            "zone": settings.working.zone.key,
            "errors": {},
        }
        if present.first is None:
            return private(make_response(render_template("internal/insights.html", **words, first="")))
        words["first"] = days_said(Stretch(present.first, present.first), present.today)
        try:
            asked = _asked(present.today, present.first)
        except Refused as refused:
            if not wants_html():
                raise InputRefused(list(refused.errors.items())) from refused
            words["errors"] = refused.errors
            return private(make_response(render_template("internal/insights.html", **words), 422))
        report = make_report(connection, present, asked.period, asked.cut, asked.step)
        view = InsightsView(
            report, present.waiting(connection), asked.period, asked.step, settings, clock, present.today
        )
    words["chosen"] = {
        "from": asked.period.since.isoformat(),
        "to": asked.period.until.isoformat(),
        "by": chosen["by"],
        "period": asked.preset,
    }
    return private(make_response(render_template("internal/insights.html", **words, view=view)))


def _asked(today: date, first: date) -> Asked:
    errors = {name: "This parameter is not known. Leave it out" for name in request.args if name not in _PARAMETERS}
    values = {name: request.args.get(name, "") for name in _PARAMETERS}
    preset, by = values["period"], values["by"]
    if preset and preset not in PERIODS:
        errors["period"] = f"Give one of {', '.join(PERIODS)}"
    if by not in list(STEPS):
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
    period = Stretch(since, until)
    if until >= first:
        period = Stretch(max(since, first), until)  # before the first lead there is nothing to draw
    step = Step(by) if by else fitting_step(period)
    try:
        return Asked(preset, period, columns(period, step), step)
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

"""Being away, on the own account page and on a person's page: the two fields, and what is shown of it."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from flask import request

from alma_leads.leads.assignments.absence_service import add_absence, get_absences
from alma_leads.leads.core.errors import BadAbsence
from alma_leads.web.auth import actor
from alma_leads.web.internal.frame.desk_frame import reader_clock

_FIELDS = {"first_day": "Enter the first day, like 2026-12-24", "last_day": "Enter the last day, like 2026-12-31"}


class AbsenceView(NamedTuple):
    """What the section shows: the firm's day, until when one is away now, and (number, words) of each absence."""

    today: str
    until: str
    rows: list[tuple[int, str]]
    typed: dict[str, str]


def absence_view(user_id: int) -> AbsenceView:
    """Return someone's absences as the pages show them, with what was typed."""
    clock, found = reader_clock(), get_absences(user_id)
    rows = []
    for absence in found.absences:
        first, last = clock.until_day(absence.first_day), clock.until_day(absence.last_day)
        rows.append((absence.id, first if first == last else f"{first} to {last}"))
    typed = {field: request.form.get(field, "") for field in _FIELDS}
    return AbsenceView(
        found.today.isoformat(), clock.until_day(found.away_until) if found.away_until else "", rows, typed
    )


def save_absence(user_id: int) -> dict[str, str]:
    """Keep the absence that was typed; return what is wrong with it, by field."""
    days, errors = {}, {}
    for field, message in _FIELDS.items():
        try:
            days[field] = date.fromisoformat(request.form.get(field, "").strip())
        except ValueError:
            errors[field] = message
    if errors:
        return errors
    try:
        add_absence(user_id, **days, actor=actor())
    except BadAbsence as bad:
        return {bad.field: str(bad)}
    return {}

"""The settings page of the first contact clock: the target, and the hours in which time counts."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.database.base import to_stamp
from alma_leads.leads.first_contact.holiday_regions import countries, subdivisions
from alma_leads.leads.first_contact.recalculation_service import count_stale_leads
from alma_leads.leads.first_contact.settings_service import change_settings, get_settings
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import Clock, zone_names
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.settings.first_contact_form import WEEKDAYS, BadSettings, Typed, next_holidays

HOME = "/internal/settings/first-contact"


@internal.get("/settings/first-contact")
@access(needs(Permission.MANAGE_FIRM))
def first_contact_page() -> Response:
    """Show the target and the hours."""
    return _page(Typed.of_settings(get_settings()), {})


@internal.post("/settings/first-contact")
@access(needs(Permission.MANAGE_FIRM))
def save_first_contact() -> Response:
    """Keep the target and the hours."""
    typed = Typed.of_form(request.form)
    try:
        wanted = typed.settings()
    except BadSettings as bad:
        return _page(typed, bad.errors, status=422)
    change_settings(wanted, actor=actor())
    return make_response(redirect(f"{HOME}?saved=yes", 303))


def _page(typed: Typed, errors: dict[str, str], *, status: int = 200) -> Response:
    present, clock = get_settings(), reader_clock()
    there = Clock(present.working.zone, now=clock.now)
    due = present.moments(clock.now)
    page = render_template(
        "internal/settings/first_contact.html",
        section="settings",
        tab="first-contact",
        typed=typed,
        errors=errors,
        saved=request.args.get("saved") == "yes" and not errors,
        waiting=count_stale_leads(),
        due=there.full(to_stamp(due.due_at)) if due else "",
        zone=present.working.zone.key,
        closed=[f"{day:%A} {day.day} {day:%B %Y}" for day in next_holidays(present.working, after=there.today)],
        weekdays=[(str(number), name) for number, name in enumerate(WEEKDAYS, 1)],
        zones=[(name, name) for name in zone_names()],
        countries=countries(),
        parts=subdivisions().get(typed.country, ()),
    )
    return make_response(page, status)

"""The settings page of people: everyone of the firm, who may come in, and how."""

from __future__ import annotations

from flask import render_template

from alma_leads.accounts.people_service import list_people
from alma_leads.accounts.permissions import Permission
from alma_leads.accounts.second_factor_service import firm_rule
from alma_leads.web.auth import access, needs
from alma_leads.web.internal.blueprint import internal
from alma_leads.web.internal.desk_frame import reader_clock
from alma_leads.web.sessions import reader


@internal.get("/settings/people")
@access(needs(Permission.MANAGE_PEOPLE))
def people() -> str:
    """Show everyone of the firm."""
    clock = reader_clock()
    rows = [(person, clock.moment(person.last_seen_at) if person.last_seen_at else "") for person in list_people()]
    return render_template(
        "internal/settings/people.html", section="settings", tab="people", people=rows, rule=firm_rule(reader().id)
    )

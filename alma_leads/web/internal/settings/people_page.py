"""The settings page of people: everyone of the firm, who may come in and how, and inviting someone."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

from flask import Response, make_response, redirect, render_template, request
from sqlalchemy import Row

from alma_leads.accounts.core.errors import BadName, UserExists
from alma_leads.accounts.core.models import Role
from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.accounts.core.permissions import Permission
from alma_leads.accounts.core.users import check_name
from alma_leads.accounts.second_factor.second_factor_service import firm_rule
from alma_leads.accounts.users import user_service
from alma_leads.common.email_address import BadEmailAddress, normalise_email
from alma_leads.database.base import to_stamp
from alma_leads.jobs.tasks import wake
from alma_leads.leads.assignments.absence_service import find_away_until
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import Clock
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.frame.names import initials
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.frame.toasts import Toast, keep_toast
from alma_leads.web.sessions import reader

HOME = "/internal/settings/people"
ROLES = {
    Role.ATTORNEY.value: "Attorney: sees and works every lead",
    Role.VIEWER.value: "Viewer: sees every lead and changes nothing",
    Role.ADMINISTRATOR.value: "Administrator: also people, API keys, assignments, outbox and audit log",
}


class PersonView(NamedTuple):
    """A person as the pages show it. `until` says until when an invitation works, "" when it is too old.

    `away` says until when someone is away who is, today.
    """

    row: Row[*tuple[Any, ...]]
    initials: str
    means: str
    seen: str
    until: str
    away: str


@internal.get("/settings/people")
@access(needs(Permission.MANAGE_PEOPLE))
def people() -> Response:
    """Show everyone of the firm."""
    clock, away = reader_clock(), find_away_until()
    shown = [person_view(row, clock, away_until=away.get(row.id)) for row in user_service.list_users()]
    rule = firm_rule(reader().id)
    page = render_template("internal/settings/people.html", section="settings", tab="people", people=shown, rule=rule)
    return private(make_response(page))


@internal.get("/settings/people/new")
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def new_person() -> Response:
    """Ask whom to invite."""
    return _form({"role": Role.ATTORNEY.value}, {})


@internal.post("/settings/people")
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def invite_person() -> Response:
    """Invite someone."""
    values = {field: request.form.get(field, "").strip() for field in ("name", "email", "role")}
    errors: dict[str, str] = {}
    try:
        values["name"] = check_name(values["name"])
    except BadName:
        errors["name"] = "Enter the person’s name"
    try:
        normalise_email(values["email"])
    except BadEmailAddress:
        errors["email"] = "Enter an email address like name@example.com"
    if values["role"] not in ROLES:
        errors["role"] = "Choose a role"
    try:
        if not errors:
            role = Role(values["role"])
            invitation = user_service.invite(values["email"], name=values["name"], role=role, actor=actor())
            wake()
            keep_toast(Toast(f"An invitation goes to {invitation.user.email}."))
            return make_response(redirect(HOME, 303))
    except UserExists as exists:
        errors["email"] = str(exists)
    return _form(values, errors, status=422)


def person_view(row: Row[*tuple[Any, ...]], clock: Clock, *, away_until: date | None = None) -> PersonView:
    """Return a person as the pages show it."""
    return PersonView(
        row,
        initials(row.name),
        _means(row),
        clock.moment(to_stamp(row.signed_in_at)) if row.signed_in_at else "",
        clock.moment(to_stamp(row.invited_until)) if row.invited_until else "",
        clock.until_day(away_until) if away_until and row.active else "",
    )


def _means(row: Row[*tuple[Any, ...]]) -> str:
    """Return by what someone comes in, in words."""
    found = [word for word, there in (("passkey", row.has_passkey), ("work account", row.has_work_account)) if there]
    if row.has_password:
        found.append("password and code" if row.has_app else "password" if found else "password only")
    return ", ".join(found).capitalize()


def _form(values: dict[str, str], errors: dict[str, str], *, status: int = 200) -> Response:
    page = render_template(
        "internal/settings/person_new.html",
        section="settings",
        tab="people",
        values=values,
        errors=errors,
        roles=ROLES,
        passwords=passwords_are_on(),
    )
    return private(make_response(page, status))

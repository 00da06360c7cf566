"""The page of one person, for administrators: role, invitation or reset link, second factor, turned off and on."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.core.errors import (
    AccountDeactivated,
    AlreadyActivated,
    InvitationPending,
    LastAdministrator,
    UserNotFound,
)
from alma_leads.accounts.core.models import Role
from alma_leads.accounts.core.password_rule import passwords_are_on
from alma_leads.accounts.core.permissions import ROLE_PERMISSIONS, Permission
from alma_leads.accounts.second_factor.second_factor_service import reset_second_factor
from alma_leads.accounts.users import user_service
from alma_leads.accounts.users.user_service import get_user
from alma_leads.jobs.tasks import wake
from alma_leads.leads.assignments.absence_service import remove_absence
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.errors.problems import problem
from alma_leads.web.internal.account.absence_form import absence_view, save_absence
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.frame.toasts import Toast, keep_toast
from alma_leads.web.internal.settings.people_page import HOME, ROLES, person_view
from alma_leads.web.sessions import reader

PERSON = "/settings/people/<int(max=2147483647):person_id>"


@internal.get(PERSON)
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def person(person_id: int) -> Response:
    """Show one person, and what can be changed."""
    return _page(person_id)


@internal.post(f"{PERSON}/role")
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def change_role(person_id: int) -> Response:
    """Give the person another role."""
    role = request.form.get("role", "")
    if role not in ROLES:
        return _page(person_id, {"role": "Choose a role"})

    def change() -> str:
        user, _ = user_service.change_role(person_id, role=Role(role), actor=actor())
        return f"{user.name} is {role} now."

    return _done(person_id, change, stays=role == Role.ADMINISTRATOR.value)


@internal.post(f"{PERSON}/invitation")
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def change_invitation(person_id: int) -> Response:
    """Send the invitation again, or, with `do=revoke`, make it stop working."""

    def change() -> str:
        if request.form.get("do") == "revoke":
            return f"The invitation to {user_service.revoke_invitation(person_id, actor=actor()).email} is revoked."
        invited = user_service.invite_again(person_id, actor=actor())
        return f"A new invitation goes to {invited.email}. The earlier link no longer works."

    return _done(person_id, change)


@internal.post(f"{PERSON}/reset-link")
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def send_reset_link(person_id: int) -> Response:
    """Send the person a link to choose a new password."""
    if not passwords_are_on():
        return problem(404, "Nobody signs in with a password here.")

    def change() -> str:
        sent = user_service.send_reset_link(person_id, actor=actor())
        return f"A link to choose a new password goes to {sent.email}."

    return _done(person_id, change)


@internal.post(f"{PERSON}/second-factor")
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def reset_factors(person_id: int) -> Response:
    """Take the person's second factor away."""

    def change() -> str:
        return f"{reset_second_factor(person_id, actor=actor()).name} has no second factor any more."

    return _done(person_id, change)


@internal.post(f"{PERSON}/active")
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def change_active(person_id: int) -> Response:
    """Turn the person off, or, with `do=activate`, on again."""

    def change() -> str:
        if request.form.get("do") == "activate":
            return f"{user_service.activate(person_id, actor=actor()).name} can sign in again."
        off = user_service.deactivate(person_id, actor=actor())
        return f"{off.name} is turned off and signed out everywhere."

    return _done(person_id, change)


@internal.post(f"{PERSON}/absences")
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def save_absence_of(person_id: int) -> Response:
    """Keep from when to when the person is away."""
    try:
        row = get_user(person_id)
    except UserNotFound:
        return _nobody()
    errors = save_absence(person_id)
    return _page(person_id, errors) if errors else _done(person_id, lambda: f"Saved when {row.name} is away.")


@internal.post(f"{PERSON}/absences/<int(max=2147483647):absence_id>/remove")
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def remove_absence_of(person_id: int, absence_id: int) -> Response:
    """Take an absence of the person back."""

    def change() -> str:
        remove_absence(absence_id, user_id=get_user(person_id).id, actor=actor())
        return "Removed."

    return _done(person_id, change)


def _done(person_id: int, change: Callable[[], str], *, stays: bool = True) -> Response:
    """Make a change, and lead back to the person with what it says; or say on the person's page why it is refused.

    Without `stays`, whoever has just done it to herself is no administrator any more, and goes on to the leads.
    """
    try:
        said = change()
    except (AlreadyActivated, LastAdministrator, InvitationPending, AccountDeactivated) as refused:
        return _page(person_id, {"": str(refused)})
    except UserNotFound:
        return _nobody()
    wake()
    keep_toast(Toast(said))
    lost = not stays and person_id == reader().id
    return make_response(redirect("/internal/leads" if lost else f"{HOME}/{person_id}", 303))


def _nobody() -> Response:
    return problem(404, "There is no such person.")


def _page(person_id: int, errors: dict[str, str] | None = None) -> Response:
    try:
        row = get_user(person_id)
    except UserNotFound:
        return _nobody()
    page = render_template(
        "internal/settings/person.html",
        section="settings",
        tab="people",
        view=person_view(row, reader_clock()),
        person=row,
        is_reader=row.id == reader().id,
        errors=errors or {},
        roles=ROLES,
        passwords=passwords_are_on(),
        absence=absence_view(person_id) if Permission.BE_AWAY in ROLE_PERMISSIONS[Role(row.role)] else None,
    )
    return private(make_response(page, 409 if errors and "" in errors else 422 if errors else 200))

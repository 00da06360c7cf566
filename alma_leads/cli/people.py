"""`flask people`: manage who can sign in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import Row

from alma_leads.accounts.core.emails import address_of_link
from alma_leads.accounts.core.errors import AccountError, BadName
from alma_leads.accounts.core.models import LinkPurpose, Role
from alma_leads.accounts.core.users import MAX_NAME_LENGTH, check_name
from alma_leads.accounts.second_factor import second_factor_service
from alma_leads.accounts.sso import sso_service
from alma_leads.accounts.users import user_service
from alma_leads.common.actor import OPERATOR
from alma_leads.common.email_address import BadEmailAddress
from alma_leads.common.extensions import settings
from alma_leads.jobs.tasks import wake

people_cli = AppGroup("people", help="Manage who can sign in.")


HEADINGS = ("EMAIL", "NAME", "ROLE", "STATE", "SECOND FACTOR", "LAST SIGN-IN")
ROLES = click.Choice([role.value for role in Role])


@people_cli.command("list")
def list_command() -> None:
    """List everyone: address, name, role, state, second factor and last sign-in."""
    found = user_service.list_users()
    rows = [HEADINGS, *(_cells(user) for user in found)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    click.echo(f"{len(found)} {'person' if len(found) == 1 else 'people'}.", err=True)


def _cells(user: Row[*tuple[Any, ...]]) -> tuple[str, ...]:
    state = user.state
    if state == "invited" and user.invited_until is None:
        state = "invited (link too old)"
    return (
        user.email,
        user.name,
        user.role,
        state,
        "yes" if user.has_second_factor else "no",
        f"{user.signed_in_at:%Y-%m-%d %H:%M} UTC" if user.signed_in_at else "never",
    )


@people_cli.command("add")
@click.argument("email")
@click.option("--name", required=True, help="The person's name.")
@click.option("--role", type=ROLES, default=Role.ATTORNEY.value, show_default=True)
def add_command(email: str, name: str, role: str) -> None:
    """Invite a user by email, and print the one-time link where they choose a password.

    If the user was invited before and has not signed in yet, name, role and link are replaced. The old link stops
    working.
    """
    try:
        name = check_name(name)
    except BadName as error:
        raise click.BadParameter(f"give a name of 1 to {MAX_NAME_LENGTH} characters", param_hint="--name") from error
    with _explained(email):
        invitation = user_service.invite(email, name=name, role=Role(role), actor=OPERATOR)
    address = invitation.user.email
    if invitation.is_renewed:
        click.echo(f"{address} was invited before and never came: now {role}, with a new link. Earlier ones are over.")
    else:
        click.echo(f"{address} is added as {role}.")
    if settings().SMTP_HOST:
        wake(wait=True)
        click.echo("The invitation goes out by e-mail. The same link, which works once, within 24 hours:")
    else:
        click.echo("No mail server is set (SMTP_HOST): hand this link over yourself. It works once, within 24 hours:")
    click.echo(address_of_link(LinkPurpose.INVITATION, invitation.token))


@people_cli.command("deactivate")
@click.argument("email")
def deactivate_command(email: str) -> None:
    """Deactivate a user: signed out at once, and refused from now on."""
    with _explained(email):
        user = user_service.deactivate(user_service.get_user_by_email(email).id, actor=OPERATOR)
        click.echo(f"{user.email} is turned off and signed out everywhere.")


@people_cli.command("activate")
@click.argument("email")
def activate_command(email: str) -> None:
    """Activate a user again."""
    with _explained(email):
        user = user_service.activate(user_service.get_user_by_email(email).id, actor=OPERATOR)
        click.echo(f"{user.email} is active.")


@people_cli.command("role")
@click.argument("email")
@click.argument("role", type=ROLES)
def role_command(email: str, role: str) -> None:
    """Change the role of a user, from their next request on."""
    with _explained(email):
        user, old = user_service.change_role(user_service.get_user_by_email(email).id, role=Role(role), actor=OPERATOR)
    if old == role:
        click.echo(f"{user.email} is {role} already.")
        return
    wake(wait=True)
    click.echo(f"{user.email} is {role} now, and was {old}.")


@people_cli.command("reset-2fa")
@click.argument("email")
def reset_second_factor_command(email: str) -> None:
    """Remove the app, passkeys and recovery codes of a user, and sign them out everywhere."""
    with _explained(email):
        number = user_service.get_user_by_email(email).id
        user = second_factor_service.reset_second_factor(number, actor=OPERATOR)
        wake(wait=True)
        click.echo(f"{user.email} has no second factor any more, and is signed out everywhere.")
        if not user.is_activated:
            click.echo("No way in is left. Make a new one-time address: people add.")


@people_cli.command("unlink-work-account")
@click.argument("email")
def unlink_work_account_command(email: str) -> None:
    """Unlink the work account of a user and sign them out. The next account with the address is linked instead."""
    with _explained(email):
        user, count = sso_service.unlink_work_account(user_service.get_user_by_email(email).id, actor=OPERATOR)
        if not count:
            raise click.ClickException(f"{user.email} has no work account here.")
        click.echo(f"The work account of {user.email} is unlinked, and signed out everywhere.")


@contextmanager
def _explained(email: str) -> Iterator[None]:
    """Turn what can go wrong into one line and a failure."""
    try:
        yield
    except BadEmailAddress as error:
        raise click.ClickException(f"{email!r} is not an email address.") from error
    except AccountError as error:
        raise click.ClickException(str(error)) from error

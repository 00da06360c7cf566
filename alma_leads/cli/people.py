"""`flask people`: who may come in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import AppGroup

from alma_leads.accounts import people_service, second_factor_service
from alma_leads.accounts.errors import AccountError
from alma_leads.accounts.models import Role
from alma_leads.actor import OPERATOR
from alma_leads.email_address import BadEmailAddress
from alma_leads.extensions import settings

people_cli = AppGroup("people", help="Who may come in.")


@people_cli.command("list")
def list_command() -> None:
    """List everyone: address, name, role and state."""
    people = people_service.list_people()
    for person in people:
        state = "turned off" if not person.active else "active" if person.came else "not come yet"
        click.echo(f"{person.email}\t{person.name}\t{person.role}\t{state}")
    click.echo(f"{len(people)} people.", err=True)


@people_cli.command("add")
@click.argument("email")
@click.option("--name", required=True, help="The person's name.")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), default=Role.ATTORNEY.value, show_default=True
)
def add_command(email: str, name: str, role: str) -> None:
    """Add a person, and print the one-time address where that person sets a password."""
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise click.BadParameter("give a name of 1 to 200 characters", param_hint="--name")
    with _explained(email):
        token = people_service.add_person(email, name=name.strip(), role=Role(role), actor=OPERATOR)
        click.echo(f"{email} is added as {role}. Within 24 hours, this address sets a password, once:")
        click.echo(f"{settings().PUBLIC_URL}/invitation/{token}")


@people_cli.command("deactivate")
@click.argument("email")
def deactivate_command(email: str) -> None:
    """Turn a person off: signed out at once, and no longer let in."""
    with _explained(email):
        people_service.deactivate(email, actor=OPERATOR)
        click.echo(f"{email} is turned off and signed out everywhere.")


@people_cli.command("activate")
@click.argument("email")
def activate_command(email: str) -> None:
    """Turn a person on again."""
    with _explained(email):
        people_service.activate(email, actor=OPERATOR)
        click.echo(f"{email} is active.")


@people_cli.command("reset-2fa")
@click.argument("email")
def reset_second_factor_command(email: str) -> None:
    """Take away a person's app, passkeys and recovery codes, and sign that person out everywhere."""
    with _explained(email):
        person = people_service.find_person(email)
        second_factor_service.reset_second_factor(person.id, actor=OPERATOR)
        click.echo(f"{person.email} has no second factor any more, and is signed out everywhere.")


@contextmanager
def _explained(email: str) -> Iterator[None]:
    """Turn what can go wrong into one line and a failure."""
    try:
        yield
    except BadEmailAddress as error:
        raise click.ClickException(f"{email!r} is not an email address.") from error
    except AccountError as error:
        raise click.ClickException(str(error)) from error

"""`flask keys`: the keys that scripts send."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import click
from flask.cli import AppGroup

from alma_leads.accounts.api_keys import key_service
from alma_leads.accounts.core.errors import KeyNotFound, KeyRefused
from alma_leads.accounts.core.permissions import Scope
from alma_leads.common.actor import OPERATOR
from alma_leads.database.base import to_stamp

keys_cli = AppGroup("keys", help="The keys that scripts send in X-API-Key.")


@keys_cli.command("create")
@click.option("--name", required=True, help="What the key is called in the list and in timelines.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What the key may do; may be given several times.",
)
@click.option("--expires", help="The last day on which it works (UTC), such as 2027-02-24, or a time (RFC 3339).")
@click.option("--network", "networks", multiple=True, help="Only from this CIDR block; may be given several times.")
def create_command(name: str, scopes: tuple[str, ...], expires: str | None, networks: tuple[str, ...]) -> None:
    """Create a key and print it: the key alone on standard output, once."""
    expires_at = _moment(expires) if expires else None
    try:
        _, secret = key_service.create_key(
            name, scopes=scopes, networks=networks, expires_at=expires_at, actor=OPERATOR
        )
    except KeyRefused as refused:
        raise click.ClickException(f"{refused}.") from refused
    click.echo(secret)
    click.echo(f"{name.strip()} is made, for {', '.join(scopes)}. Keep it now: it is not shown again.", err=True)


@keys_cli.command("list")
def list_command() -> None:
    """List every key: name, prefix, scopes, networks, last use, expiry and state."""
    found = key_service.list_keys()
    for key in found:
        cells = (
            key.name,
            f"{key.prefix}…",
            key.scopes,
            key.networks or "anywhere",
            to_stamp(key.last_used_at) if key.last_used_at else "never used",
            to_stamp(key.expires_at) if key.expires_at else "never expires",
            key.state,
        )
        click.echo("\t".join(cells))
    click.echo("1 key." if len(found) == 1 else f"{len(found)} keys.", err=True)


@keys_cli.command("revoke")
@click.argument("name")
def revoke_command(name: str) -> None:
    """Revoke the key NAME: its next request is refused."""
    try:
        done = key_service.revoke_key(key_service.get_key_by_name(name).id, actor=OPERATOR)
    except KeyNotFound:
        done = False
    if not done:
        raise click.ClickException(f"No key that works is called {name}.")
    click.echo(f"{name} is revoked.")


def _moment(text: str) -> datetime:
    """Return the time at which a key expires: the end of a day in UTC, or the time that is given."""
    try:
        if len(text) == len("2027-02-24"):
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{text} is no day like 2027-02-24", param_hint="--expires") from error
    return moment

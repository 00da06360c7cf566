"""`flask insights`: the figures of the desk's Insights page."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from alma_leads.insights.count_service import recount

insights_cli = AppGroup("insights", help="What is counted for the Insights page.")


@insights_cli.command("recount")
def recount_command() -> None:
    """Forget what was counted and count all of it anew: after leads were changed past the application."""
    days = recount()
    click.echo(f"{days} {'day' if days == 1 else 'days'} counted.")

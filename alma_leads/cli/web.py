"""`flask web`: the processes that serve the form, the desk and the API."""

from __future__ import annotations

import click
from flask import current_app

from alma_leads.common.extensions import db, settings
from alma_leads.server.listening import CannotListen, listen
from alma_leads.server.starting import prepare_process
from alma_leads.server.supervisor import supervise


@click.command(
    "web", help="Serve the form, the desk and the API at HOST and PORT, without mail, until SIGTERM or Ctrl-C."
)
def web() -> None:
    """Run WEB_WORKERS web processes."""
    try:
        listening = listen(settings())
    except CannotListen as cannot:
        raise click.ClickException(str(cannot)) from None
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    prepare_process(app, settings())
    db.engine.dispose()  # the processes that we fork open connections of their own
    supervise(
        app, settings(), listening=listening, ready=lambda: click.echo("Listening. Press Ctrl-C to stop."), mail=False
    )

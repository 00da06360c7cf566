"""`flask worker`: the process that delivers mail and tidies up."""

from __future__ import annotations

import click
from flask import current_app

from alma_leads.common.extensions import settings
from alma_leads.jobs.worker import run_worker
from alma_leads.server.starting import prepare_process


@click.command("worker", help="Deliver mail and tidy up, until SIGTERM or Ctrl-C. Any number may run.")
def worker() -> None:
    """Run the worker in this process."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    prepare_process(app, settings())
    run_worker(app)

"""The command line: one module a noun. Each command says what it did, and exits 0 only if it did it."""

from __future__ import annotations

from flask import Flask

from alma_leads.cli.assignments import assignments_cli
from alma_leads.cli.keys import keys_cli
from alma_leads.cli.outbox import outbox_cli
from alma_leads.cli.people import people_cli
from alma_leads.cli.resumes import resumes_cli
from alma_leads.cli.web import web
from alma_leads.cli.worker import worker


def register(app: Flask) -> None:
    """Give `app` its commands."""
    for command in (assignments_cli, keys_cli, outbox_cli, people_cli, resumes_cli, web, worker):
        app.cli.add_command(command)

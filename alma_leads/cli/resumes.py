"""`flask resumes`: previews and text of uploaded files."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from alma_leads.jobs.tasks import wake
from alma_leads.leads.resume_text.resume_service import read_resumes_again

resumes_cli = AppGroup("resumes", help="Pictures and text of uploaded resumes.")


@resumes_cli.command()
@click.option("--all", "everything", is_flag=True, help="Also reread the files that were read before.")
def reread(everything: bool) -> None:
    """Have workers read the files again that could not be read."""
    number = read_resumes_again(everything=everything)
    wake(wait=True)
    click.echo(f"Queued {number} {'resume' if number == 1 else 'resumes'} for reading.")

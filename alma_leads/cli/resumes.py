"""`flask resumes`: what workers read from uploaded files for the desk."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from alma_leads.jobs.tasks import wake
from alma_leads.leads.resume_text.resume_service import read_resumes_again

resumes_cli = AppGroup("resumes", help="Pictures and text of uploaded resumes.")


@resumes_cli.command()
@click.option("--all", "everything", is_flag=True, help="Also those that were read: pictures and text are made anew.")
def reread(everything: bool) -> None:
    """Have the workers read the files again that nothing could be read from."""
    number = read_resumes_again(everything=everything)
    wake(wait=True)
    click.echo(f"{number} {'resume waits' if number == 1 else 'resumes wait'} to be read by a worker.")

"""`flask assignments`: which attorney has which prospect, from and to CSV."""

from __future__ import annotations

import sys
from typing import BinaryIO, TextIO

import click
from flask.cli import AppGroup

from alma_leads.common.actor import OPERATOR
from alma_leads.jobs.tasks import wake
from alma_leads.leads.assignments.assignment_file import BadFile, to_csv
from alma_leads.leads.assignments.assignment_service import export_assignments, import_assignments
from alma_leads.leads.core.errors import BadAssignments

SHOWN_PROBLEMS = 20

assignments_cli = AppGroup("assignments", help="Which attorney has which prospect.")


@assignments_cli.command("import")
@click.argument("file", type=click.File("rb"))
def import_command(file: BinaryIO) -> None:
    """Assign prospects from FILE, a CSV with the columns email,attorney. All lines or none."""
    try:
        count = import_assignments(file.read(), actor=OPERATOR)
    except BadAssignments as error:
        for line, sentence in error.problems[:SHOWN_PROBLEMS]:
            click.echo(f"{file.name}, line {line}: {sentence}", err=True)
        raise click.ClickException(f"{error} Nothing was imported.") from error
    except BadFile as error:
        raise click.ClickException(f"{file.name}: {error}. Nothing was imported.") from error
    wake(wait=True)
    click.echo(f"{count} assignments imported from {file.name}.")


@assignments_cli.command("export")
@click.argument("file", type=click.File("w", encoding="utf-8", atomic=True))
def export_command(file: TextIO) -> None:
    """Write every assignment to FILE (or - for standard output), as a CSV that `import` reads."""
    count = -1  # the header
    for lines in to_csv((each.email, each.attorney_email) for each in export_assignments(actor=OPERATOR)):
        file.write(lines)
        count += lines.count("\n")
    click.echo(f"{count} assignments exported to {file.name}.", err=file is sys.stdout)

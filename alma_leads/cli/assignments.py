"""`flask assignments`: which attorney has which prospect, from and to CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from typing import TextIO

import click
from flask.cli import AppGroup

from alma_leads.actor import OPERATOR
from alma_leads.leads.assignment_service import export_assignments, import_assignments
from alma_leads.leads.errors import BadAssignments
from alma_leads.tasks import wake

COLUMNS = ["email", "attorney"]
SHOWN_PROBLEMS = 20

assignments_cli = AppGroup("assignments", help="Which attorney has which prospect.")


@assignments_cli.command("import")
@click.argument("file", type=click.File(encoding="utf-8-sig"))
def import_command(file: TextIO) -> None:
    """Assign prospects from FILE, a CSV with the columns email,attorney. All lines or none."""
    try:
        count = import_assignments(_pairs(file), actor=OPERATOR)
    except BadAssignments as error:
        for line, sentence in error.problems[:SHOWN_PROBLEMS]:
            click.echo(f"{file.name}, line {line}: {sentence}", err=True)
        raise click.ClickException(f"{error} Nothing was imported.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file.name} is not CSV in UTF-8: {error}. Nothing was imported.") from error
    wake(wait=True)
    click.echo(f"{count} assignments imported from {file.name}.")


@assignments_cli.command("export")
@click.argument("file", type=click.File("w", encoding="utf-8", atomic=True))
def export_command(file: TextIO) -> None:
    """Write every assignment to FILE (or - for standard output), as a CSV that `import` reads."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for assignment in export_assignments(actor=OPERATOR):
        writer.writerow([_neutral(assignment.email), assignment.attorney_email])
        count += 1
    click.echo(f"{count} assignments exported to {file.name}.", err=file is sys.stdout)


def _pairs(file: TextIO) -> Iterator[tuple[int, str, str]]:
    reader = csv.DictReader(file)
    if reader.fieldnames is None or not set(COLUMNS) <= set(reader.fieldnames):
        raise click.ClickException(f"{file.name} needs a first line with the columns email,attorney.")
    for row in reader:
        email, attorney = ((row[name] or "").strip() for name in COLUMNS)
        if email or attorney:
            yield reader.line_num, email.removeprefix("'"), attorney


def _neutral(cell: str) -> str:
    """Keep a spreadsheet from running an address as a formula; `import` takes the apostrophe off again."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell

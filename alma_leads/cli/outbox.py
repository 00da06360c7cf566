"""`flask outbox`: what waits to be sent, and having it sent."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from alma_leads.common.actor import OPERATOR
from alma_leads.common.extensions import db, settings
from alma_leads.database.base import from_stamp, to_stamp, utc_now
from alma_leads.database.transactions import reading
from alma_leads.jobs.tasks import wake
from alma_leads.outbox import queries, queue
from alma_leads.outbox.delivery import new_delivery_run
from alma_leads.outbox.mail_settings import mail_settings
from alma_leads.outbox.pause_service import ask_for_probe, find_pause
from alma_leads.outbox.transport import send_test
from alma_leads.outbox.words import without_addresses

RETRIED_SHOWN = 10
NO_SERVER = "No mail server is set (SMTP_HOST), so nothing is sent. Messages wait."

outbox_cli = AppGroup("outbox", help="E-mails that wait, are retried or were given up.")


@outbox_cli.command()
def status() -> None:
    """Show how many e-mails are in each state, and how long the oldest has waited."""
    with reading(db.engine) as connection:
        counts = queries.counts(connection)
        oldest = queries.oldest_waiting(connection)
        pause = find_pause(connection)
        retried = queries.page(connection, ("retrying",), limit=RETRIED_SHOWN)
    server = f"{settings().SMTP_HOST}:{settings().SMTP_PORT}" if settings().SMTP_HOST else "not set; messages wait"
    click.echo(f"mail server   {server}")
    for name, number in (
        ("queued", counts.queued),
        ("retrying", counts.retrying),
        ("dead letters", counts.dead),
        ("sent", counts.sent),
    ):
        shown = f"{queries.COUNT_CAP - 1}+" if number >= queries.COUNT_CAP else str(number)
        click.echo(f"{name:<13} {shown}")
    if oldest is not None:
        waited = utc_now() - from_stamp(oldest)
        click.echo(f"oldest waits  since {oldest} ({int(waited.total_seconds())} s)")
    if pause is not None:
        click.echo(f"paused        since {to_stamp(pause.since)}, next try {to_stamp(pause.probe_at)}: {pause.words}")
    for message in retried:
        said = without_addresses(message.last_error or "")
        click.echo(f"{message.id:<13} {message.kind}, {message.attempts} tries, next {message.due_at}: {said}")


@outbox_cli.command()
def deliver() -> None:
    """Send what is due now, in the foreground. Safe beside running workers."""
    run = new_delivery_run()
    if run is None:
        raise click.ClickException(NO_SERVER)
    ask_for_probe(db.engine)
    try:
        stats = run.run()
    finally:
        run.release()
    said = f"{stats.sent} sent, {stats.retrying} to be tried again, {stats.failed} given up."
    if stats.refused:
        raise click.ClickException(f"{said} Mail is paused: {stats.refused}")
    if stats.retrying or stats.failed:
        raise click.ClickException(f"{said} The desk's outbox shows the mail server's words.")
    click.echo(said)


@outbox_cli.command()
@click.argument("address")
def test(address: str) -> None:
    """Send a test email to ADDRESS now, past the outbox, and say what the mail server answers."""
    how = mail_settings()
    if how is None:
        raise click.ClickException(NO_SERVER)
    refused = send_test(how, address)
    if refused:
        raise click.ClickException(f"The mail server refused the test email: {refused}")
    ask_for_probe(db.engine)
    wake(wait=True)
    click.echo(f"{how.server.host} took a test email to {address}. If it doesn't arrive, check the spam folder.")


@outbox_cli.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="Every dead letter.")
def retry(ids: tuple[int, ...], everything: bool) -> None:
    """Send dead letters again, or try waiting messages now: those with these IDs, or all dead letters."""
    if everything == bool(ids):
        raise click.UsageError("Give the ID of one or more messages, or --all.")
    if everything:
        number = queue.retry_failed(db.engine, actor=OPERATOR)
        click.echo(f"{number} dead {'letter' if number == 1 else 'letters'} queued again.")
        refused = []
    else:
        refused = [message_id for message_id in ids if not queue.retry(db.engine, message_id, actor=OPERATOR)]
        for message_id in ids:
            if message_id not in refused:
                click.echo(f"{message_id}: queued again.")
    wake(wait=True)
    if refused:
        with reading(db.engine) as connection:
            for message_id in refused:
                click.echo(f"{message_id}: {_why_not(queries.find_message(connection, message_id))}", err=True)
        raise click.exceptions.Exit(1)


def _why_not(message: queries.MessageRow | None) -> str:
    if message is None:
        return "there is no such message."
    if message.state == "sent":
        return "sent already."
    if message.is_too_old:
        return "the link in it no longer works. Have a new one made."
    return "waits to be sent, or is being sent this moment."

"""Starting everything: `.env` on the first run, migrations, web processes and workers, until stopped."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from sqlalchemy.exc import SQLAlchemyError

from alma_leads.accounts.core.errors import WeakPassword
from alma_leads.accounts.users.setup_service import prepare_first_administrator
from alma_leads.app import create_app
from alma_leads.common.extensions import db
from alma_leads.database import schema_version
from alma_leads.server.listening import CannotListen, listen
from alma_leads.server.starting import unreachable
from alma_leads.server.supervisor import supervise
from alma_leads.settings.env_file import ensure_env_file
from alma_leads.settings.values import masked
from config import ENV_FILE, Settings, load_settings


def main() -> None:
    """Start everything."""
    os.umask(0o077)  # databases, locks, resumes and what lies in temporary folders are their owner's alone
    said = ensure_env_file(ENV_FILE)
    if said:
        say(said)
    settings = load_settings()
    for line in settings.warnings():
        say(line)
    try:
        listening = listen(settings)
    except CannotListen as cannot:
        give_up(str(cannot))
    app = create_app(settings)
    for line in unreachable(app, settings):
        say(line)
    with app.app_context():
        try:
            backed_up = schema_version.back_up_before_upgrade()
            if backed_up:
                say(backed_up)
            schema_version.upgrade()
        except (schema_version.NewerDatabase, schema_version.NoRoomForCopy) as stop:
            give_up(str(stop))
        except SQLAlchemyError as wrong:
            reason = str(getattr(wrong, "orig", wrong)).strip().splitlines()
            give_up(
                f"DATABASE_URL holds {masked(settings.DATABASE_URL)!r}, which cannot be used: "
                f"{masked(reason[0]) if reason else 'no reason was given'}; it should hold a database that answers."
            )
        password = settings.FIRST_ADMIN_PASSWORD
        try:
            token = prepare_first_administrator(
                email=settings.FIRST_ADMIN_EMAIL, password=password.get_secret_value() if password else None
            )
        except WeakPassword as weak:
            give_up(f"FIRST_ADMIN_PASSWORD cannot be used: {weak}.")
        db.engine.dispose()  # the children that we fork open connections of their own
    supervise(app, settings, listening=listening, ready=lambda: announce(settings, token))


def announce(settings: Settings, token: str | None) -> None:
    """Print where everything is."""
    base = settings.PUBLIC_URL
    say(f"\n  Form    {base}/\n  Desk    {base}/internal/leads")
    if token:
        say(f"  Set up  {base}/setup/{token}   (works once: make the first administrator's account)")
    say("\nPress Ctrl-C to stop.")


def say(text: str) -> None:
    """Print `text` at once, also into a pipe."""
    print(text, flush=True)  # noqa: T201


def give_up(line: str) -> NoReturn:
    """End the process with one line on stderr."""
    sys.stderr.write(f"{line}\n")
    raise SystemExit(2)

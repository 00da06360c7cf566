"""What `make run` runs: writes `.env` on the first run, migrates, says where everything is, serves until stopped."""

from __future__ import annotations

import signal

# Until the supervisor takes over, Ctrl-C ends the process as SIGTERM does: at once and without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

import os  # noqa: E402
import sys  # noqa: E402
from typing import NoReturn  # noqa: E402

from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from alma_leads import create_app, schema_version  # noqa: E402
from alma_leads.accounts.errors import WeakPassword  # noqa: E402
from alma_leads.accounts.setup_service import prepare_first_administrator  # noqa: E402
from alma_leads.extensions import db  # noqa: E402
from alma_leads.server.listening import CannotListen, listen  # noqa: E402
from alma_leads.server.supervisor import supervise  # noqa: E402
from alma_leads.starting import unreachable  # noqa: E402
from config import ENV_FILE, Settings, load_settings  # noqa: E402
from env_file import ensure_env_file  # noqa: E402
from setting_values import masked  # noqa: E402


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
            schema_version.upgrade()
        except schema_version.NewerDatabase as newer:
            give_up(str(newer))
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
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def give_up(line: str) -> NoReturn:
    """End the process with one line on stderr."""
    sys.stderr.write(f"{line}\n")
    raise SystemExit(2)


if __name__ == "__main__":
    main()

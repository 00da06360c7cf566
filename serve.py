"""What `make run` runs: writes `.env` on the first run, migrates, says where everything is, serves until stopped."""

from __future__ import annotations

import signal

# Until the supervisor takes over, Ctrl-C ends the process as SIGTERM does: at once and without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

import errno  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import NoReturn  # noqa: E402

from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from alma_leads import create_app, schema_version  # noqa: E402
from alma_leads.accounts.errors import WeakPassword  # noqa: E402
from alma_leads.accounts.setup_service import prepare_first_administrator  # noqa: E402
from alma_leads.extensions import db  # noqa: E402
from alma_leads.starting import unreachable  # noqa: E402
from alma_leads.supervisor import supervise  # noqa: E402
from config import ENV_FILE, Settings, load_settings  # noqa: E402
from env_file import ensure_env_file  # noqa: E402
from setting_values import masked  # noqa: E402

PREDECESSOR_S = 2.0  # one that is just being stopped gets so long to let go of the port


def main() -> None:
    """Start everything."""
    os.umask(0o077)  # databases, locks, resumes and what lies in temporary folders are their owner's alone
    said = ensure_env_file(ENV_FILE)
    if said:
        say(said)
    settings = load_settings()
    for line in settings.warnings():
        say(line)
    listening = listen(settings)
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


def listen(settings: Settings) -> list[socket.socket]:
    """Return sockets that listen at every address of HOST, or end the process with a line that says why not."""
    patience = time.monotonic() + PREDECESSOR_S
    while True:
        try:
            return _listen(settings.HOST, settings.PORT)
        except socket.gaierror:
            give_up(f"HOST holds {settings.HOST!r}; it should hold the name or address of this machine.")
        except OSError as wrong:
            if wrong.errno != errno.EADDRINUSE:
                give_up(f"HOST and PORT hold {settings.HOST!r} and {settings.PORT}: {wrong.strerror}.")
            if time.monotonic() > patience:
                give_up(
                    f"PORT holds {settings.PORT}, where another program listens at {settings.HOST}; "
                    f"stop that one, or set PORT to a port that is free."
                )
            time.sleep(0.1)


def _listen(host: str, port: int) -> list[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    missing: OSError | None = None
    for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
        both = host == "::" and socket.has_dualstack_ipv6()
        try:
            made.append(socket.create_server(address[:2], family=family, backlog=2048, dualstack_ipv6=both))
        except OSError as wrong:
            if wrong.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:  # "localhost" may have an IPv6 too many
                for each in made:
                    each.close()
                raise
            missing = wrong
    if not made:
        raise missing or OSError(errno.EADDRNOTAVAIL, "no such address")
    return made


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

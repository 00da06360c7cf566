"""Whether this process lives, and whether it can serve: for whoever watches or balances, not for people."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from alma_leads.common.extensions import db, settings
from alma_leads.database import schema_version
from alma_leads.database.deadlines import PROBE
from alma_leads.database.postgresql import probing
from alma_leads.database.transactions import can_write
from alma_leads.outbox.pause_service import find_pause
from alma_leads.outbox.words import without_addresses
from alma_leads.resumes.service import lacks_room
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.errors.problems import problem, size_text
from alma_leads.web.errors.unavailable import is_unavailable


def add_health(app: Flask) -> None:
    """Add `/healthz` and `/readyz` to `app`."""
    app.add_url_rule("/healthz", "healthz", healthz)
    app.add_url_rule("/readyz", "readyz", readyz)


@access(PUBLIC)
def healthz() -> Response:
    """Say that the process lives. It touches nothing: a database that is down is no reason to restart us."""
    return _uncached(jsonify(status="ok"))


@access(PUBLIC)
def readyz() -> Response:
    """Say whether the database can be reached, takes changes and is migrated; 503 and why, when not.

    Answers within 2 s or so, also while the database says nothing. `warnings` never make us unready.
    """
    token = probing.set(True)
    try:
        present = schema_version.present_revision(db.engine, PROBE)
        writable = can_write(db.engine, PROBE)
    except Exception as error:
        if not (isinstance(error, SQLAlchemyError) or is_unavailable(error)):
            raise
        return _not_ready("The database cannot be reached.")
    finally:
        probing.reset(token)
    needed = schema_version.needed_revision()
    if present != needed:
        return _not_ready(f"The database is at revision {present}, and {needed} is needed: run flask db upgrade.")
    if not writable:
        return _not_ready("The database takes no changes: it is read-only, a standby, or its disk is full.")
    return _uncached(jsonify(status="ready", revision=present, warnings=warnings()))


def _not_ready(why: str) -> Response:
    return _uncached(problem(503, why))


def warnings() -> list[str]:
    """Return what an operator should look at although this process can serve."""
    return [warning for ask in WARNINGS if (warning := ask()) is not None]


def _no_room_for_files() -> str | None:
    missing = lacks_room()
    return f"Uploads are refused until {size_text(missing)} more are free where files are kept." if missing else None


def _mail_is_paused() -> str | None:
    pause = find_pause(db.session()) if settings().SMTP_HOST else None
    return f"Email is paused: {without_addresses(pause.words)}" if pause else None


WARNINGS: list[Callable[[], str | None]] = [_no_room_for_files, _mail_is_paused]


def _uncached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response

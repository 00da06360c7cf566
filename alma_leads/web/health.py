"""Whether this process lives, and whether it can serve: for whoever watches or balances, not for people."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from alma_leads import schema_version
from alma_leads.extensions import db
from alma_leads.resumes.service import lacks_room
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.problems import problem, size_text


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
    """Say whether the database can be reached and is migrated; 503 and why, when not."""
    try:
        present = schema_version.present_revision(db.engine)
    except SQLAlchemyError:
        return _uncached(problem(503, "The database cannot be reached."))
    needed = schema_version.needed_revision()
    if present != needed:
        return _uncached(
            problem(503, f"The database is at revision {present}, and {needed} is needed: run flask db upgrade.")
        )
    return _uncached(jsonify(status="ready", revision=present, warnings=warnings()))


def warnings() -> list[str]:
    """Return what an operator should look at although this process can serve."""
    return [warning for ask in WARNINGS if (warning := ask()) is not None]


def _no_room_for_files() -> str | None:
    missing = lacks_room()
    return f"Uploads are refused until {size_text(missing)} more are free where files are kept." if missing else None


WARNINGS: list[Callable[[], str | None]] = [_no_room_for_files]


def _uncached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response

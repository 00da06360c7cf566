"""What the server has decided before the application was called: it answers as it answers every other error."""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, abort, request

from alma_leads.resumes.sandbox.errors import NoRoom

REFUSED = "alma_leads.refused"  # (status, detail): the request is refused
CUT_OFF = "alma_leads.cut_off"  # True: the body is an upload that was too large, and only its beginning is there


def init_app(app: Flask) -> None:
    """Make `app` answer what its server has refused. Call it before any other hook that could answer is added."""
    app.before_request(_refuse)


def is_cut_off() -> bool:
    """Say whether only the beginning of this request's body is there, since it was too large."""
    return bool(request.environ.get(CUT_OFF))


def _refuse() -> None:
    refused: tuple[HTTPStatus, str] | None = request.environ.get(REFUSED)
    if refused is not None and refused[0] == HTTPStatus.INSUFFICIENT_STORAGE:
        raise NoRoom
    if refused is not None:
        abort(refused[0], refused[1])

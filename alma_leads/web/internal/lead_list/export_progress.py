"""What a page asks while an export goes to the browser's downloads: how far it is, and whether it broke off."""

from __future__ import annotations

import re

from flask import Response, abort, jsonify

from alma_leads.accounts.core.permissions import Permission
from alma_leads.database.transactions import reading
from alma_leads.extensions import db
from alma_leads.leads.export.export_progress import Waiting, find
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.errors.problems import InputRefused
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.responses import private

_TOKEN = re.compile("[0-9a-f]{32}", re.ASCII)


@internal.get("/exports/<token>")
@access(needs(Permission.EXPORT_LEADS, quiet=True))
def export_progress(token: str) -> Response:
    """Say how far one's own export is."""
    who = actor()
    if who.kind != "user" or who.id is None or not _TOKEN.fullmatch(token):
        abort(404)
    with reading(db.engine) as connection:
        found = find(connection, Waiting(who.id, token))
    if found is None:
        abort(404)
    return private(jsonify(found._asdict()))


def split_progress(pairs: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], Waiting | None]:
    """Return the pairs of an export's query string without `progress`, and who waits for it under that name.

    Only people wait on a page; to programs the parameter is as unknown as ever.

    Raises:
        InputRefused: it is not a name that pages give.
    """
    who = actor()
    given = [value for name, value in pairs if name == "progress"]
    if who.kind != "user" or who.id is None or not given:
        return pairs, None
    if len(given) > 1 or not _TOKEN.fullmatch(given[0]):
        raise InputRefused([("progress", "Give 32 hexadecimal digits once, or leave it out")])
    return [pair for pair in pairs if pair[0] != "progress"], Waiting(who.id, given[0])

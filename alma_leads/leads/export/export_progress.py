"""How far an export is, kept where every process sees it: told by the one that sends, asked by the page that waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql

KEPT = timedelta(days=1)
SILENT_AFTER = timedelta(seconds=30)

_FORGET = Sql("DELETE FROM export_progress WHERE told_at < :before")
_BEGIN = Sql("""
    INSERT INTO export_progress (user_id, token, total, sent, state, told_at)
    VALUES (:user_id, :token, :total, 0, 'running', :now)
    ON CONFLICT (user_id, token)
    DO UPDATE SET total = excluded.total, sent = 0, state = 'running', told_at = excluded.told_at
""")
_TELL = Sql("""
    UPDATE export_progress SET sent = :sent, state = :state, told_at = :now
    WHERE user_id = :user_id AND token = :token
""")
_FIND = Sql("SELECT sent, total, state, told_at FROM export_progress WHERE user_id = :user_id AND token = :token")


class Waiting(NamedTuple):
    """Who waits for an export, and the name that the page gave to it."""

    user_id: int
    token: str


class Progress(NamedTuple):
    """How many leads have been sent of how many. "silent" is an export that nobody has told of for a while.

    Then its process is gone, or whoever receives it takes nothing.
    """

    sent: int
    total: int
    state: Literal["running", "silent", "done", "broken"]


def begin(connection: Connection, waiting: Waiting, *, total: int) -> None:
    """Write down that an export begins, and forget old ones."""
    now = utc_now()
    _FORGET.run(connection, before=to_stamp(now - KEPT))
    _BEGIN.run(connection, **waiting._asdict(), total=total, now=to_stamp(now))


def tell(connection: Connection, waiting: Waiting, *, sent: int, state: Literal["running", "done", "broken"]) -> None:
    """Write down how far an export is."""
    _TELL.run(connection, **waiting._asdict(), sent=sent, state=state, now=to_stamp(utc_now()))


def find(connection: Connection, waiting: Waiting) -> Progress | None:
    """Return how far an export is, or None when it has not begun."""
    row = _FIND.row(connection, **waiting._asdict())
    if row is None:
        return None
    sent, total, state, told_at = row
    silent = state == "running" and told_at < to_stamp(utc_now() - SILENT_AFTER)
    # Leads may have come since they were counted.
    return Progress(sent, max(sent, total), "silent" if silent else state)

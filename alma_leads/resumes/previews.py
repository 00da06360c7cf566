"""Which files have yet to be read for the desk, and what came of it. Works in its caller's transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.database.base import to_stamp
from alma_leads.database.raw import Sql
from alma_leads.resumes.models import Preview
from alma_leads.resumes.sandbox.reading import Picture, Reading

# So often a file is taken; each time the worker may have died of it, or been too slow on a busy machine.
MAX_TRIES = 3
# Nobody else takes it for so long: more than reading and storing take at worst.
LEASE = timedelta(minutes=3)
PAUSE = timedelta(minutes=5)

_UNREAD = "preview = 'pending' AND lead_id IS NOT NULL AND (preview_due_at IS NULL OR preview_due_at <= :now)"
_ANY_UNREAD = Sql(f"SELECT 1 FROM resumes WHERE {_UNREAD} LIMIT 1")
# The newest first: what came in just now is read before what an older version has left.
_NEXT = f"SELECT id FROM resumes WHERE {_UNREAD} ORDER BY id DESC LIMIT 1"
_TAKE = """
    UPDATE resumes SET preview_tries = preview_tries + 1, preview_due_at = :until WHERE id = ({next})
    RETURNING id, lead_id, storage_name, media_type, preview_tries
"""
_TAKE_NEXT = Sql(sqlite=_TAKE.format(next=_NEXT), postgresql=_TAKE.format(next=f"{_NEXT} FOR UPDATE SKIP LOCKED"))
_OURS = "id = :id AND lead_id = :lead_id AND preview = 'pending' AND preview_tries = :tries"
_MADE = Sql(f"""
    UPDATE resumes SET preview = 'made', preview_due_at = NULL, preview_failure = NULL, pages = :pages,
        picture_width = :width, picture_height = :height
    WHERE {_OURS}
""")
_NONE = Sql(f"""
    UPDATE resumes SET preview = 'none', preview_due_at = NULL, preview_failure = :reason WHERE {_OURS}
""")
_LATER = Sql(f"UPDATE resumes SET preview_tries = :counted, preview_due_at = :due WHERE {_OURS}")
_AGAIN = "UPDATE resumes SET preview = 'pending', preview_tries = 0, preview_due_at = NULL WHERE lead_id IS NOT NULL"
_FAILED_AGAIN = Sql(f"{_AGAIN} AND preview = 'none'")
_ALL_AGAIN = Sql(f"{_AGAIN} AND preview <> 'pending'")
_OF_LEAD = Sql("""
    SELECT storage_name, preview, preview_failure, pages, picture_width, picture_height
    FROM resumes WHERE lead_id = :lead_id
""")


class Unread(NamedTuple):
    """A file that this worker is to read. `tries` counts this one too."""

    id: int
    lead_id: int
    storage_name: str
    media_type: str
    tries: int


class PreviewRow(NamedTuple):
    """What is known of a file's preview. `failure` is the name of a reason; there is a picture if it has a width."""

    storage_name: str
    state: Preview
    failure: str | None
    pages: int | None
    width: int | None
    height: int | None


def picture_name(storage_name: str) -> str:
    """Return the name under which the picture of a file is stored beside it."""
    return f"{storage_name}-page-1"


def any_unread(connection: Connection, *, now: datetime) -> bool:
    """Say whether a file waits to be read; looks only."""
    return _ANY_UNREAD.row(connection, now=to_stamp(now)) is not None


def take_unread(connection: Connection, *, now: datetime) -> Unread | None:
    """Take the newest file that waits, so that nobody else does for a while; None when there is none."""
    row = _TAKE_NEXT.row(connection, now=to_stamp(now), until=to_stamp(now + LEASE))
    return None if row is None else Unread(*row)


def note_read(connection: Connection, unread: Unread, reading: Reading) -> bool:
    """Note what was read, and that its picture is stored; False when the file is not ours any more."""
    picture: Picture | None = reading.picture
    size = {"width": picture.width if picture else None, "height": picture.height if picture else None}
    return _MADE.run(connection, **_ours(unread), pages=reading.pages, **size) == 1


def note_unreadable(connection: Connection, unread: Unread, *, reason: str) -> None:
    """Note that nothing can be read from the file."""
    _NONE.run(connection, **_ours(unread), reason=reason)


def put_off(connection: Connection, unread: Unread, *, until: datetime, counted: bool) -> None:
    """Have it tried again. `counted` when this try may have failed by the file's own fault."""
    tries = unread.tries if counted else unread.tries - 1
    _LATER.run(connection, **_ours(unread), counted=tries, due=to_stamp(until))


def read_again(connection: Connection, *, everything: bool) -> int:
    """Have the files read again that nothing could be read from, or all; return how many."""
    return (_ALL_AGAIN if everything else _FAILED_AGAIN).run(connection)


def preview_of_lead(connection: Connection, lead_id: int) -> PreviewRow | None:
    """Return what is known of the preview of a lead's file, or None when it came with a link."""
    row = _OF_LEAD.row(connection, lead_id=lead_id)
    return None if row is None else PreviewRow(row[0], Preview(row[1]), *row[2:])


def _ours(unread: Unread) -> dict[str, int]:
    return {"id": unread.id, "lead_id": unread.lead_id, "tries": unread.tries}

"""Keeping files from strangers: inspected, stored under a random name, attached to a lead or discarded.

A row is committed before its object is written and deleted after it, so that no object is ever unknown, whenever a
process dies.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import IO

import structlog
from sqlalchemy import Connection

from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db, settings
from alma_leads.resumes import storage
from alma_leads.resumes.previews import PreviewRow, picture_name
from alma_leads.resumes.room import disk_full_is_no_room, missing_bytes
from alma_leads.resumes.sandbox.errors import FileTooLarge, NoRoom, RefusedFile
from alma_leads.resumes.sandbox.sniff import inspect
from alma_leads.resumes.turns import person_turn

__all__ = [
    "FileTooLarge",
    "KeptFile",
    "RefusedFile",
    "attach",
    "discard",
    "find_unattached",
    "keep_file",
    "of_lead",
    "read",
    "read_picture",
    "sweep_unattached",
]

log = structlog.get_logger(__name__)
SWEEP_BATCH = 100
# So long a form with errors may stay open with its file kept.
UNATTACHED_FOR = timedelta(hours=24)

_COLUMNS = "storage_name, file_name, media_type, size_bytes, sha256"
_INSERT = Sql(f"""
    INSERT INTO resumes ({_COLUMNS}, created_at)
    VALUES (:storage_name, :file_name, :media_type, :size_bytes, :sha256, :now)
""")
_ATTACH = Sql("""
    UPDATE resumes SET lead_id = :lead_id
    WHERE storage_name = :storage_name AND lead_id IS NULL AND discarded_at IS NULL
""")
_DISCARD = Sql("""
    UPDATE resumes SET discarded_at = :now WHERE storage_name = :storage_name AND lead_id IS NULL
""")
_DISCARD_OLD = Sql("""
    UPDATE resumes SET discarded_at = :now WHERE lead_id IS NULL AND discarded_at IS NULL AND created_at < :before
""")
# Not while a worker may be making a picture of it, which nobody would know of.
_DISCARDED = Sql("""
    SELECT id, storage_name FROM resumes
    WHERE lead_id IS NULL AND discarded_at IS NOT NULL AND id > :after
      AND (preview_due_at IS NULL OR preview_due_at <= :now)
    ORDER BY id LIMIT :limit
""")
_DELETE = Sql("DELETE FROM resumes WHERE storage_name = :storage_name AND lead_id IS NULL AND discarded_at IS NOT NULL")
_UNATTACHED = Sql(f"""
    SELECT {_COLUMNS} FROM resumes
    WHERE storage_name = :storage_name AND lead_id IS NULL AND discarded_at IS NULL
""")
_OF_LEAD = Sql(f"SELECT {_COLUMNS} FROM resumes WHERE lead_id = :lead_id")


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A stored file: its random name, the name it came with, its type, size in bytes and SHA-256 in hexadecimal."""

    storage_name: str
    file_name: str
    media_type: str
    size_bytes: int
    sha256: str


def keep_file(stream: IO[bytes], *, file_name: str, client: str = "") -> KeptFile:
    """Inspect a file and store it, belonging to nobody yet. A refused file leaves nothing.

    Args:
        stream: the file.
        file_name: the name it was sent with.
        client: the network it was sent from: one file of each is inspected at a time.

    Raises:
        TooManyInspections: too many files are being inspected.
        NoRoom: there is too little room where files are kept.
        RefusedFile: it is not what a resume may be.
        FileTooLarge: it has more than RESUME_MAX_BYTES.
    """
    if lacks_room():
        raise NoRoom
    turn = person_turn(installation(), client)
    with disk_full_is_no_room():
        found = inspect(stream, file_name=file_name, max_bytes=settings().RESUME_MAX_BYTES, turn=turn)
    kept = KeptFile(secrets.token_hex(24), found.file_name, found.media_type, found.size_bytes, found.sha256)
    with transaction_on(db.engine) as connection:
        _INSERT.run(
            connection,
            storage_name=kept.storage_name,
            file_name=kept.file_name,
            media_type=kept.media_type,
            size_bytes=kept.size_bytes,
            sha256=kept.sha256,
            now=to_stamp(utc_now()),
        )
    try:
        with disk_full_is_no_room():
            storage.put(settings().RESUME_STORAGE_URL, kept.storage_name, stream)
    except BaseException:
        _discard_quietly(kept.storage_name)
        raise
    return kept


def lacks_room() -> int:
    """Return how many bytes have to be freed before uploads are accepted again; 0 if there is room."""
    return missing_bytes(settings().RESUME_STORAGE_URL, settings().RESUME_DISK_RESERVE_BYTES)


def installation() -> str:
    """Return what names this installation among others on the machine; it holds no secret."""
    return db.engine.url.render_as_string(hide_password=True)


def attach(connection: Connection, storage_name: str, *, lead_id: int) -> bool:
    """Give a kept file to a lead, in the caller's transaction. False when it is discarded or another lead has it."""
    return _ATTACH.run(connection, storage_name=storage_name, lead_id=lead_id) == 1


def find_unattached(storage_name: str) -> KeptFile | None:
    """Return a kept file that belongs to nobody yet, or None."""
    with reading(db.engine) as connection:
        row = _UNATTACHED.row(connection, storage_name=storage_name)
    return None if row is None else KeptFile(*row)


def of_lead(connection: Connection, lead_id: int) -> KeptFile | None:
    """Return the file of a lead, or None when it came with a link."""
    row = _OF_LEAD.row(connection, lead_id=lead_id)
    return None if row is None else KeptFile(*row)


def read(kept: KeptFile) -> Iterator[bytes]:
    """Yield the file in pieces.

    Raises:
        FileNotFoundError: the storage has lost it.
    """
    return storage.read(settings().RESUME_STORAGE_URL, kept.storage_name)


def read_picture(preview: PreviewRow) -> Iterator[bytes]:
    """Yield the picture of a file's first page in pieces.

    Raises:
        FileNotFoundError: there is none, or the storage has lost it.
    """
    if preview.width is None:
        raise FileNotFoundError(preview.storage_name)
    return storage.read(settings().RESUME_STORAGE_URL, picture_name(preview.storage_name))


def discard(storage_name: str) -> None:
    """Remove a file that belongs to nobody. One that a lead has stays. A failing storage is left to the sweep."""
    with transaction_on(db.engine) as connection:
        discarded = _DISCARD.run(connection, storage_name=storage_name, now=to_stamp(utc_now()))
    if discarded:
        _try_to_remove(storage_name)


def sweep_unattached(*, older_than: timedelta = UNATTACHED_FOR) -> int:
    """Remove files that belong to nobody and are older than `older_than`, or discarded; return how many it removed."""
    now = utc_now()
    with transaction_on(db.engine) as connection:
        _DISCARD_OLD.run(connection, now=to_stamp(now), before=to_stamp(now - older_than))
    removed = last = 0
    while True:
        with reading(db.engine) as connection:
            rows = _DISCARDED.rows(connection, after=last, now=to_stamp(now), limit=SWEEP_BATCH)
        if not rows:
            return removed
        removed += sum(_try_to_remove(storage_name) for _, storage_name in rows)
        last = rows[-1][0]


def _discard_quietly(storage_name: str) -> None:
    """Discard while another failure is on its way out, which must not be hidden by a second one."""
    try:
        discard(storage_name)
    except Exception:
        log.warning("a file that was not stored could not be discarded: the sweep will", exc_info=True)


def _try_to_remove(storage_name: str) -> bool:
    """Delete the objects, then the row. A storage that fails leaves the row, so that the next sweep tries again."""
    try:
        for name in (picture_name(storage_name), storage_name):
            storage.delete(settings().RESUME_STORAGE_URL, name)
    except Exception:
        log.warning("a discarded file could not be deleted yet", exc_info=True)
        return False
    with transaction_on(db.engine) as connection:
        return _DELETE.run(connection, storage_name=storage_name) == 1

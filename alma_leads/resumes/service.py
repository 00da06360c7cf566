"""Inspect uploaded files, store them under random names, and attach them to leads or discard them.

A row is committed before its object is written, and deleted after it. A process can die at any moment without leaving
an object that no row knows.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import IO

import structlog
from sqlalchemy import Connection, Row, delete, or_, select, update
from sqlalchemy.orm import Session

from alma_leads.common.extensions import db, settings
from alma_leads.database.base import utc_now
from alma_leads.database.session import count_changed, transaction
from alma_leads.resumes import storage
from alma_leads.resumes.disk_space import disk_full_is_no_room, missing_bytes
from alma_leads.resumes.models import Resume
from alma_leads.resumes.previews import picture_name
from alma_leads.resumes.sandbox.errors import NoRoom
from alma_leads.resumes.sandbox.sniff import inspect
from alma_leads.resumes.turns import person_turn

log = structlog.get_logger(__name__)
PURGE_BATCH = 100
# How long a form with errors may stay open before its file is deleted.
UNATTACHED_FOR = timedelta(hours=24)

_UNATTACHED = (Resume.lead_id.is_(None), Resume.discarded_at.is_(None))


def keep_file(stream: IO[bytes], *, file_name: str, client: str = "") -> Resume:
    """Inspect a file and store it without a lead. A refused file leaves nothing behind.

    Args:
        stream: the file.
        file_name: the name it was sent with.
        client: the network it was sent from; one file per network is inspected at a time.

    Raises:
        TooManyInspections: too many files are being inspected.
        NoRoom: the disk with the files is too full.
        RefusedFile: the file is not an acceptable resume.
        FileTooLarge: the file is larger than RESUME_MAX_BYTES.
    """
    if lacks_room():
        raise NoRoom
    turn = person_turn(installation(), client)
    with disk_full_is_no_room():
        found = inspect(stream, file_name=file_name, max_bytes=settings().RESUME_MAX_BYTES, turn=turn)
    resume = Resume(
        storage_name=secrets.token_hex(24),
        file_name=found.file_name,
        media_type=found.media_type,
        size_bytes=found.size_bytes,
        sha256=found.sha256,
        created_at=utc_now(),
    )
    with transaction() as session:
        session.add(resume)
    try:
        with disk_full_is_no_room():
            storage.put(settings().RESUME_STORAGE_URL, resume.storage_name, stream)
    except BaseException:
        _discard_quietly(resume.storage_name)
        raise
    return resume


def lacks_room() -> int:
    """Return how many bytes have to be freed before uploads are accepted again; 0 if there is room."""
    return missing_bytes(settings().RESUME_STORAGE_URL, settings().RESUME_DISK_RESERVE_BYTES)


def installation() -> str:
    """Return a name for this installation, without secrets, that is unique on the machine."""
    return db.engine.url.render_as_string(hide_password=True)


def attach(session: Session | Connection, storage_name: str, *, lead_id: int) -> bool:
    """Attach a file to a lead, in the caller's transaction. Return False if it was discarded or has a lead."""
    unattached = update(Resume).where(Resume.storage_name == storage_name, *_UNATTACHED)
    return count_changed(session, unattached.values(lead_id=lead_id)) == 1


def find_unattached(storage_name: str) -> Resume | None:
    """Return a file that has no lead yet, or None."""
    return db.session.scalar(select(Resume).where(Resume.storage_name == storage_name, *_UNATTACHED))


def find_resume(session: Session, lead_id: int) -> Resume | None:
    """Return the file of a lead, or None if the prospect gave a link."""
    return session.scalar(select(Resume).where(Resume.lead_id == lead_id))


def read(resume: Resume) -> Iterator[bytes]:
    """Yield the file in pieces.

    Raises:
        FileNotFoundError: the storage has lost it.
    """
    return storage.read(settings().RESUME_STORAGE_URL, resume.storage_name)


def read_picture(resume: Resume) -> Iterator[bytes]:
    """Yield the picture of a file's first page in pieces.

    Raises:
        FileNotFoundError: there is no picture, or the storage has lost it.
    """
    if resume.picture_width is None:
        raise FileNotFoundError(resume.storage_name)
    return storage.read(settings().RESUME_STORAGE_URL, picture_name(resume.storage_name))


def discard(storage_name: str) -> None:
    """Delete a file that has no lead. If the storage fails, the next purge deletes it."""
    unattached = update(Resume).where(Resume.storage_name == storage_name, Resume.lead_id.is_(None))
    with transaction() as session:
        is_discarded = count_changed(session, unattached.values(discarded_at=utc_now()))
    if is_discarded:
        _try_to_delete(storage_name)


def purge_unattached(*, older_than: timedelta = UNATTACHED_FOR) -> int:
    """Delete the files without a lead that are older than `older_than` or discarded. Return how many."""
    now = utc_now()
    old = update(Resume).where(*_UNATTACHED, Resume.created_at < now - older_than)
    with transaction() as session:
        session.execute(old.values(discarded_at=now))
    deleted = last_id = 0
    while batch := _list_discarded(after=last_id, now=now):
        deleted += sum(_try_to_delete(row.storage_name) for row in batch)
        last_id = batch[-1].id
    return deleted


def _list_discarded(*, after: int, now: datetime) -> Sequence[Row[int, str]]:
    return db.session.execute(
        select(Resume.id, Resume.storage_name)
        .where(
            Resume.lead_id.is_(None),
            Resume.discarded_at.is_not(None),
            Resume.id > after,
            # A worker that is still reading the file may be about to store a picture of it.
            or_(Resume.preview_due_at.is_(None), Resume.preview_due_at <= now),
        )
        .order_by(Resume.id)
        .limit(PURGE_BATCH)
    ).all()


def _discard_quietly(storage_name: str) -> None:
    """Discard a file without raising, since another exception is on its way to the caller."""
    try:
        discard(storage_name)
    except Exception:
        log.warning("could not discard a file after a failed upload; the next purge will", exc_info=True)


def _try_to_delete(storage_name: str) -> bool:
    """Delete the objects, then the row. If the storage fails, keep the row so that the next purge tries again."""
    try:
        for name in (picture_name(storage_name), storage_name):
            storage.delete(settings().RESUME_STORAGE_URL, name)
    except Exception:
        log.warning("could not delete a discarded file; the next purge tries again", exc_info=True)
        return False
    discarded = delete(Resume).where(
        Resume.storage_name == storage_name, Resume.lead_id.is_(None), Resume.discarded_at.is_not(None)
    )
    with transaction() as session:
        return count_changed(session, discarded) == 1

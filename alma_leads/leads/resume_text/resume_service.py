"""Use cases of what is read from resumes for the desk: by a worker, in a process apart, and stored beside the file.

The row says what has yet to be read. A worker that is killed leaves it taken for some minutes, and then another takes
it; a file that workers die of is given up after a few.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from io import BytesIO
from tempfile import TemporaryFile

import structlog
from obstore.exceptions import BaseError as StorageError

from alma_leads.database.base import utc_now
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db, settings
from alma_leads.leads.resume_text.resume_texts import store_text
from alma_leads.resumes import storage
from alma_leads.resumes.previews import (
    MAX_TRIES,
    PAUSE,
    Unread,
    any_unread,
    note_read,
    note_unreadable,
    picture_name,
    put_off,
    read_again,
    take_unread,
)
from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from alma_leads.resumes.sandbox.quarantine import InspectionFailed, Stopped, read_apart
from alma_leads.resumes.sandbox.reading import Reading
from alma_leads.resumes.sandbox.sniff import PDF
from alma_leads.resumes.service import installation
from alma_leads.resumes.turns import worker_turn

log = structlog.get_logger(__name__)
LOST = "LOST"
# What another try would not change.
_FINAL = (Reason.DAMAGED, Reason.LOCKED)


def read_next_resume(stop: threading.Event) -> bool:
    """Read the newest file that waits and keep what came of it, unless `stop` is set; say whether there was one.

    One worker of a machine reads at a time; the others have nothing to do here meanwhile.
    """
    with reading(db.engine) as connection:
        if not any_unread(connection, now=utc_now()):
            return False
    with worker_turn(installation()) as ours:
        return ours and _read_next(stop)


def _read_next(stop: threading.Event) -> bool:
    with transaction_on(db.engine) as connection:
        unread = take_unread(connection, now=utc_now())
    if unread is None:
        return False
    if unread.tries > MAX_TRIES:
        _give_up(unread, Reason.TOO_COMPLEX.name)
        return True
    try:
        _keep(unread, _read(unread, stop))
    except RefusedFile as refused:
        if refused.reason in _FINAL or unread.tries == MAX_TRIES:
            _give_up(unread, refused.reason.name)
        else:
            _put_off(unread, counted=True)
    except FileNotFoundError:
        _give_up(unread, LOST)
    except InspectionFailed as failed:
        log.warning("a resume could not be read", words=str(failed))
        _put_off(unread, counted=True)
    except Stopped:
        _put_off(unread, after=timedelta(0), counted=False)
    except (OSError, StorageError):  # which is not the file's fault
        _put_off(unread, counted=False)
        raise
    except Exception:  # if it is the database that cannot keep what was read, that is not tried for ever
        _put_off(unread, counted=True)
        raise
    return True


def read_resumes_again(*, everything: bool) -> int:
    """Have workers read the files again that nothing could be read from, or all; return how many."""
    with transaction_on(db.engine) as connection:
        return read_again(connection, everything=everything)


def _read(unread: Unread, stop: threading.Event) -> Reading:
    with TemporaryFile(buffering=0) as copy:
        for piece in storage.read(settings().RESUME_STORAGE_URL, unread.storage_name):
            copy.write(piece)
        return read_apart(copy, kind="pdf" if unread.media_type == PDF else "docx", stop=stop)


def _keep(unread: Unread, found: Reading) -> None:
    """Store the picture, then note it with the text: an object that no row speaks of is deleted with the file."""
    if found.picture is not None:
        storage.put(settings().RESUME_STORAGE_URL, picture_name(unread.storage_name), BytesIO(found.picture.content))
    with transaction_on(db.engine) as connection:
        if note_read(connection, unread, found):
            store_text(connection, unread.lead_id, found.text, found.words)


def _give_up(unread: Unread, reason: str) -> None:
    log.info("nothing could be read from a resume", lead_id=unread.lead_id, reason=reason)
    with transaction_on(db.engine) as connection:
        note_unreadable(connection, unread, reason=reason)


def _put_off(unread: Unread, *, after: timedelta = PAUSE, counted: bool) -> None:
    with transaction_on(db.engine) as connection:
        put_off(connection, unread, until=utc_now() + after, counted=counted)

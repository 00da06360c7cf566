"""Read resumes for the desk: a worker reads each file in a sandbox and stores its text and first page.

The row of the file is the queue. When a worker is killed, its claim expires after some minutes and another worker
tries; after a few tries the file is given up.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from io import BytesIO
from tempfile import TemporaryFile

import structlog
from obstore.exceptions import BaseError as StorageError

from alma_leads.common.extensions import db, settings
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.resume_text.resume_texts import store_text
from alma_leads.resumes import storage
from alma_leads.resumes.models import Resume
from alma_leads.resumes.previews import (
    MAX_TRIES,
    RETRY_AFTER,
    claim_unread,
    has_unread,
    picture_name,
    requeue,
    retry_later,
    save_failure,
    save_preview,
)
from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from alma_leads.resumes.sandbox.reading import Reading
from alma_leads.resumes.sandbox.sandbox_process import InspectionFailed, Stopped, read_in_sandbox
from alma_leads.resumes.sandbox.sniff import PDF
from alma_leads.resumes.service import installation
from alma_leads.resumes.turns import worker_turn

log = structlog.get_logger(__name__)
LOST = "LOST"
# Reasons that another try would not change.
_FINAL = (Reason.DAMAGED, Reason.LOCKED)


def read_next_resume(stop: threading.Event) -> bool:
    """Read the newest unread file and save the result, unless `stop` is set. Return whether there was one.

    One worker of a machine reads at a time; for the others this returns False meanwhile.
    """
    is_waiting = has_unread(db.session(), now=utc_now())
    db.session.close()
    if not is_waiting:
        return False
    with worker_turn(installation()) as ours:
        return ours and _read_next(stop)


def _read_next(stop: threading.Event) -> bool:
    with transaction() as session:
        claimed = claim_unread(session, now=utc_now())
    if claimed is None:
        return False
    if claimed.preview_tries > MAX_TRIES:
        _give_up(claimed, Reason.TOO_COMPLEX.name)
        return True
    try:
        _save(claimed, _read(claimed, stop))
    except RefusedFile as refused:
        if refused.reason in _FINAL or claimed.preview_tries == MAX_TRIES:
            _give_up(claimed, refused.reason.name)
        else:
            _retry_later(claimed, counted=True)
    except FileNotFoundError:
        _give_up(claimed, LOST)
    except InspectionFailed as failed:
        log.warning("could not read a resume", error=str(failed))
        _retry_later(claimed, counted=True)
    except Stopped:
        _retry_later(claimed, after=timedelta(0), counted=False)
    except (OSError, StorageError):  # not the file's fault
        _retry_later(claimed, counted=False)
        raise
    except Exception:  # a text that the database cannot store must not be tried for ever
        _retry_later(claimed, counted=True)
        raise
    return True


def read_resumes_again(*, everything: bool) -> int:
    """Have workers read the files again that could not be read, or all files. Return how many."""
    with transaction() as session:
        return requeue(session, everything=everything)


def _read(claimed: Resume, stop: threading.Event) -> Reading:
    with TemporaryFile(buffering=0) as copy:
        for piece in storage.read(settings().RESUME_STORAGE_URL, claimed.storage_name):
            copy.write(piece)
        return read_in_sandbox(copy, kind="pdf" if claimed.media_type == PDF else "docx", stop=stop)


def _save(claimed: Resume, found: Reading) -> None:
    """Store the picture, then its size with the text. A picture that no row knows of is deleted with its file."""
    if found.picture is not None:
        storage.put(settings().RESUME_STORAGE_URL, picture_name(claimed.storage_name), BytesIO(found.picture.content))
    with transaction() as session:
        if save_preview(session, claimed, found) and claimed.lead_id is not None:
            store_text(session.connection(), claimed.lead_id, found.text, found.words)


def _give_up(claimed: Resume, reason: str) -> None:
    log.info("gave up reading a resume", lead_id=claimed.lead_id, reason=reason)
    with transaction() as session:
        save_failure(session, claimed, reason=reason)


def _retry_later(claimed: Resume, *, after: timedelta = RETRY_AFTER, counted: bool) -> None:
    with transaction() as session:
        retry_later(session, claimed, at=utc_now() + after, counted=counted)

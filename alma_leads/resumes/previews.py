"""The queue of files that workers read for the desk, and what each reading found. Runs in its caller's transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Update, exists, literal, or_, select, update
from sqlalchemy.orm import Session

from alma_leads.database.session import count_changed
from alma_leads.resumes.models import Preview, Resume
from alma_leads.resumes.sandbox.reading import Reading

# Each claim counts as a try: the worker may have died of the file, or been too slow on a busy machine.
MAX_TRIES = 3
# Longer than reading and storing take at worst.
LEASE = timedelta(minutes=3)
RETRY_AFTER = timedelta(minutes=5)


def picture_name(storage_name: str) -> str:
    """Return the name under which the picture of a file is stored beside it."""
    return f"{storage_name}-page-1"


def has_unread(session: Session, *, now: datetime) -> bool:
    """Return whether a file is waiting to be read. Claims nothing."""
    return bool(session.scalar(select(exists().where(*_is_unread(now)))))


def claim_unread(session: Session, *, now: datetime) -> Resume | None:
    """Claim the newest unread file for `LEASE`, or return None when no file is waiting."""
    # Newest first: a file that arrived just now is read before a backlog left by an upgrade.
    newest = select(Resume).where(*_is_unread(now)).order_by(Resume.id.desc()).limit(1)
    resume = session.scalar(newest.with_for_update(skip_locked=True))
    if resume is not None:
        resume.preview_tries += 1
        resume.preview_due_at = now + LEASE
    return resume


def save_preview(session: Session, claimed: Resume, reading: Reading) -> bool:
    """Save what was read from a file whose picture is stored. Return False if the claim was lost."""
    picture = reading.picture
    made = _update_claimed(claimed).values(
        preview=Preview.MADE,
        preview_due_at=None,
        preview_failure=None,
        pages=reading.pages,
        picture_width=picture.width if picture else None,
        picture_height=picture.height if picture else None,
    )
    return count_changed(session, made) == 1


def save_failure(session: Session, claimed: Resume, *, reason: str) -> None:
    """Record that nothing can be read from a file, and why."""
    failed = _update_claimed(claimed).values(preview=Preview.NONE, preview_due_at=None, preview_failure=reason)
    session.execute(failed)


def retry_later(session: Session, claimed: Resume, *, at: datetime, counted: bool) -> None:
    """Put a file back into the queue. `counted` says that this try may have failed because of the file."""
    tries = claimed.preview_tries if counted else claimed.preview_tries - 1
    session.execute(_update_claimed(claimed).values(preview_tries=tries, preview_due_at=at))


def requeue(session: Session, *, everything: bool) -> int:
    """Queue the files again from which nothing could be read, or all that were read. Return how many."""
    finished = Resume.preview != Preview.PENDING if everything else Resume.preview == Preview.NONE
    queued = update(Resume).where(Resume.lead_id.is_not(None), finished)
    return count_changed(session, queued.values(preview=Preview.PENDING, preview_tries=0, preview_due_at=None))


def _is_unread(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        # Written into the statement, since a partial index is not used for a bound value.
        Resume.preview == literal(Preview.PENDING, Resume.preview.type, literal_execute=True),
        Resume.lead_id.is_not(None),
        or_(Resume.preview_due_at.is_(None), Resume.preview_due_at <= now),
    )


def _update_claimed(claimed: Resume) -> Update:
    """Return an UPDATE of a file that changes nothing once the claim has expired and another worker has the file."""
    return update(Resume).where(
        Resume.id == claimed.id,
        Resume.lead_id == claimed.lead_id,
        Resume.preview == Preview.PENDING,
        Resume.preview_tries == claimed.preview_tries,
    )

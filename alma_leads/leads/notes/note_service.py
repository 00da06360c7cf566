"""Use cases of notes: write, change, delete. Each is one transaction and only ever adds events: history stays."""

from __future__ import annotations

from sqlalchemy.orm import Session

from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.core.errors import LeadNotFound, NoteChanged, NoteNotFound, NotYourNote
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.lookup import events_of
from alma_leads.leads.core.models import Lead
from alma_leads.leads.notes.notes import Note, collect_notes

MAX_LENGTH = 4000


def add_note(lead_id: int, *, text: str, actor: Actor) -> None:
    """Add a note to a lead's event log.

    Raises:
        LeadNotFound: there is no such lead.
    """
    with transaction() as session:
        _lock_lead(session, lead_id).stop_reminders()
        _record(session, lead_id, EventKind.NOTE, actor, text=text)


def get_own_note(lead_id: int, note_id: int, *, actor: Actor) -> Note:
    """Return a note for its author to change.

    Raises:
        NoteNotFound: there is none, or it was deleted.
        NotYourNote: somebody else wrote it.
    """
    return _get_own_note(db.session(), lead_id, note_id, actor)


def edit_note(lead_id: int, note_id: int, *, text: str, expected_version: int, actor: Actor) -> None:
    """Change the text of a note; what it said before stays in the log. The same text is no change.

    Args:
        lead_id: the lead.
        note_id: the note.
        text: the new text.
        expected_version: the version that the caller saw; another one is not replaced.
        actor: who wrote it.

    Raises:
        LeadNotFound: there is no such lead.
        NoteNotFound: there is none, or it was deleted.
        NotYourNote: somebody else wrote it.
        NoteChanged: it has changed since the caller read it.
    """
    with transaction() as session:
        _lock_lead(session, lead_id)
        note = _get_own_note(session, lead_id, note_id, actor)
        if note.now.text == text:
            return
        if note.now.event_id != expected_version:
            raise NoteChanged(note.now.text)
        _record(session, lead_id, EventKind.NOTE_EDITED, actor, note=note_id, text=text)


def delete_note(lead_id: int, note_id: int, *, actor: Actor) -> None:
    """Remove a note from the page. What it said stays in the log, for administrators.

    Raises:
        LeadNotFound: there is no such lead.
        NoteNotFound: there is none, or it was deleted already.
        NotYourNote: somebody else wrote it.
    """
    with transaction() as session:
        _lock_lead(session, lead_id)
        _get_own_note(session, lead_id, note_id, actor)
        _record(session, lead_id, EventKind.NOTE_DELETED, actor, note=note_id)


def _lock_lead(session: Session, lead_id: int) -> Lead:
    """Lock the lead, so that two changes of one note happen one after the other."""
    lead = session.get(Lead, lead_id, with_for_update=True)
    if lead is None:
        raise LeadNotFound(lead_id)
    return lead


def _get_own_note(session: Session, lead_id: int, note_id: int, actor: Actor) -> Note:
    note = collect_notes(events_of(session.connection(), lead_id)).get(note_id)
    if note is None or note.deleted_at is not None:
        raise NoteNotFound
    # INTERNAL_API_KEY stands for nobody in particular, so it has no notes of its own.
    if actor.id is None or (note.author_kind, note.author_id) != (actor.kind, actor.id):
        raise NotYourNote
    return note


def _record(session: Session, lead_id: int, kind: EventKind, actor: Actor, **data: object) -> None:
    record(session.connection(), lead_id, kind=kind, actor=actor, at=to_stamp(utc_now()), data=data)

"""Use cases of notes: written, changed, deleted. Each is one transaction, and only ever adds events: history stays."""

from __future__ import annotations

from sqlalchemy import Connection

from alma_leads.actor import Actor
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db
from alma_leads.leads.core.errors import LeadNotFound, NoteChanged, NoteNotFound, NotYourNote
from alma_leads.leads.core.events import EventKind, record
from alma_leads.leads.core.lookup import events_of
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.notes.notes import Note, gather

MAX_LENGTH = 4000

# Holds the lead, so that two changes of one note stand in line.
_HOLD = Sql(sqlite="SELECT id FROM leads WHERE id = :id", postgresql="SELECT id FROM leads WHERE id = :id FOR UPDATE")
_SETTLE = Sql(f"UPDATE leads SET {first_contact.SETTLED} WHERE id = :id AND reminders < 2")


def add_note(lead_id: int, *, text: str, actor: Actor) -> None:
    """Write a note into a lead's event log.

    Raises:
        LeadNotFound: there is none.
    """
    with transaction_on(db.engine) as connection:
        _hold(connection, lead_id)
        _SETTLE.run(connection, id=lead_id)
        _record(connection, lead_id, EventKind.NOTE, actor, text=text)


def own_note(lead_id: int, note_id: int, *, actor: Actor) -> Note:
    """Return a note for its author to change.

    Raises:
        NoteNotFound: there is none, or it was deleted.
        NotYourNote: somebody else wrote it.
    """
    with reading(db.engine) as connection:
        return _own(connection, lead_id, note_id, actor)


def edit_note(lead_id: int, note_id: int, *, text: str, seen: int, actor: Actor) -> None:
    """Let a note say something else; what it said before stays in the log. The same text is no change.

    Args:
        lead_id: the lead.
        note_id: the note.
        text: what it says from now on.
        seen: the version that the caller saw; another one is not replaced.
        actor: who wrote it.

    Raises:
        LeadNotFound: there is no such lead.
        NoteNotFound: there is none, or it was deleted.
        NotYourNote: somebody else wrote it.
        NoteChanged: it is no longer as the caller saw it.
    """
    with transaction_on(db.engine) as connection:
        _hold(connection, lead_id)
        note = _own(connection, lead_id, note_id, actor)
        if note.now.text == text:
            return
        if note.now.event_id != seen:
            raise NoteChanged(note.now.text)
        _record(connection, lead_id, EventKind.NOTE_EDITED, actor, note=note_id, text=text)


def delete_note(lead_id: int, note_id: int, *, actor: Actor) -> None:
    """Take a note off the page. What it said stays in the log, for administrators.

    Raises:
        LeadNotFound: there is no such lead.
        NoteNotFound: there is none, or it was deleted already.
        NotYourNote: somebody else wrote it.
    """
    with transaction_on(db.engine) as connection:
        _hold(connection, lead_id)
        _own(connection, lead_id, note_id, actor)
        _record(connection, lead_id, EventKind.NOTE_DELETED, actor, note=note_id)


def _hold(connection: Connection, lead_id: int) -> None:
    if _HOLD.row(connection, id=lead_id) is None:
        raise LeadNotFound(lead_id)


def _own(connection: Connection, lead_id: int, note_id: int, actor: Actor) -> Note:
    note = gather(events_of(connection, lead_id)).get(note_id)
    if note is None or note.deleted_at is not None:
        raise NoteNotFound
    # The static key is nobody in particular, so it has no notes of its own.
    if actor.id is None or (note.author_kind, note.author_id) != (actor.kind, actor.id):
        raise NotYourNote
    return note


def _record(connection: Connection, lead_id: int, kind: EventKind, actor: Actor, **data: object) -> None:
    record(connection, lead_id, kind=kind, actor=actor, at=to_stamp(utc_now()), data=data)

"""Notes on a lead, collected from its events: the text of each, its earlier texts, and whether it was deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.lookup import EventRow


@dataclass(slots=True)
class Version:
    """A text of a note, valid from `at`. `event_id` identifies the version."""

    event_id: int
    at: str
    text: str


@dataclass(slots=True)
class Note:
    """A note. `versions` are oldest first and never empty; `deleted_at` is a timestamp, or None."""

    id: int
    author_kind: str
    author_id: int | None
    versions: list[Version] = field(default_factory=list)
    deleted_at: str | None = None

    @property
    def now(self) -> Version:
        """The present text."""
        return self.versions[-1]


def collect_notes(events: Iterable[EventRow]) -> dict[int, Note]:
    """Return a lead's notes by id (that of the event which added each), from its events in any order."""
    notes: dict[int, Note] = {}
    for event in sorted(events, key=lambda event: event.id):
        note = notes.get(int(event.data.get("note", 0)))
        match event.kind:
            case EventKind.NOTE:
                note = notes[event.id] = Note(event.id, event.actor_kind, event.actor_id)
                note.versions.append(_version(event))
            case EventKind.NOTE_EDITED if note:
                note.versions.append(_version(event))
            case EventKind.NOTE_DELETED if note:
                note.deleted_at = event.at
    return notes


def without_deleted(events: Iterable[EventRow]) -> list[EventRow]:
    """Return a lead's events, those of deleted notes without their text."""
    events = list(events)
    deleted = {
        version.event_id for note in collect_notes(events).values() if note.deleted_at for version in note.versions
    }
    return [
        event._replace(data={name: value for name, value in event.data.items() if name != "text"})
        if event.id in deleted
        else event
        for event in events
    ]


def _version(event: EventRow) -> Version:
    return Version(event.id, event.at, str(event.data.get("text", "")))

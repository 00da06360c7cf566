"""Notes on a lead, put together from its events: what one says now, what it said before, and whether it is gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.lookup import EventRow


@dataclass(slots=True)
class Version:
    """What a note said from a moment on. `event_id` names the version."""

    event_id: int
    at: str
    text: str


@dataclass(slots=True)
class Note:
    """A note. `versions` are oldest first and never empty; `deleted_at` is a moment, or None."""

    id: int
    author_kind: str
    author_id: int | None
    versions: list[Version] = field(default_factory=list)
    deleted_at: str | None = None

    @property
    def now(self) -> Version:
        """What it says now."""
        return self.versions[-1]


def gather(events: Iterable[EventRow]) -> dict[int, Note]:
    """Return a lead's notes by number (that of the event which began each), from its events in any order."""
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
    """Return a lead's events, those of deleted notes without their words."""
    events = list(events)
    gone = {version.event_id for note in gather(events).values() if note.deleted_at for version in note.versions}
    return [
        event._replace(data={name: value for name, value in event.data.items() if name != "text"})
        if event.id in gone
        else event
        for event in events
    ]


def _version(event: EventRow) -> Version:
    return Version(event.id, event.at, str(event.data.get("text", "")))

"""A lead's timeline: its events, its e-mails and the same person's other leads, one sentence each, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from markupsafe import Markup

from alma_leads.leads.core.emails import CONFIRMATION
from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.lookup import EventRow, LeadRow
from alma_leads.leads.core.verdict import Verdict
from alma_leads.leads.notes.notes import Note, collect_notes
from alma_leads.outbox.queries import MessageRow
from alma_leads.web.internal.frame.dates import Clock, in_sentence
from alma_leads.web.internal.frame.mail_labels import mail_name

_PARTS_OF_NOTES = (EventKind.NOTE, EventKind.NOTE_EDITED, EventKind.NOTE_DELETED)
# E-mails that were sent within this many seconds of each other are one line.
_TOGETHER = 60


class Entry(NamedTuple):
    """One line. `stamp` orders it, `icon` names its picture, `tone` is "", "on", "warn" or "bad".

    A note has its text, the address where its author changes it, and what it said before: (when, text), newest first.
    """

    stamp: str
    icon: str
    tone: str
    sentence: Markup
    when: str
    note: str = ""
    edit: str = ""
    history_label: str = ""
    history: tuple[tuple[str, str], ...] = ()


class Reader(NamedTuple):
    """Who reads a timeline: their id, whether they may know what deleted notes said, and their clock.

    `names` are those of users, by address.
    """

    id: int
    sees_deleted: bool
    names: Mapping[str, str]
    clock: Clock


def timeline(
    events: Iterable[EventRow],
    messages: Iterable[MessageRow],
    others: Iterable[LeadRow],
    *,
    reader: Reader,
    max_attempts: int,
) -> list[Entry]:
    """Return the lines, newest first.

    Args:
        events: the lead's event log.
        messages: its emails.
        others: the same prospect's other leads.
        reader: whose own actions are said as "You".
        max_attempts: after how many tries a message is given up.
    """
    events, names, clock = list(events), reader.names, reader.clock
    notes = collect_notes(events)
    entries = [_of_event(event, reader.id, names, clock) for event in events if event.kind not in _PARTS_OF_NOTES]
    entries += [_of_note(event, notes[event.id], reader) for event in events if event.id in notes]
    entries += _of_sent([message for message in messages if message.delivery == "sent"], names, clock)
    entries += [
        _of_waiting(message, names, max_attempts, clock)
        for message in messages
        if message.delivery in ("retrying", "dead")
    ]
    entries += [_of_other(lead, clock) for lead in others]
    # Stable, so that what came in one order at the same moment stays in it.
    return sorted(entries, key=lambda entry: entry.stamp, reverse=True)


# Picture, tone and sentence of an event.
_Said = tuple[str, str, Markup]
_Names = Mapping[str, str]


def _of_event(event: EventRow, reader_id: int, names: _Names, clock: Clock) -> Entry:
    who = _who(event, reader_id)
    say = _SENTENCES.get(event.kind)
    if say is None:
        icon, tone, sentence = "info", "", Markup("{}: {}.").format(who, event.kind.replace("_", " "))
    else:
        icon, tone, sentence = say(event, who, names)
    note = str(event.data.get("text", "")) if event.kind == EventKind.CONFLICT_CHECK else ""
    return Entry(event.at, icon, tone, sentence, clock.moment(event.at), note)


def _submitted(event: EventRow, who: Markup, _names: _Names) -> _Said:
    if event.actor_kind != "prospect":
        return "plus", "", Markup("{} sent this lead in.").format(who)
    if event.data.get("source") == "api":
        return "plus", "", Markup("This lead came in through the API, without a key.")
    return "plus", "", Markup("The prospect sent the form.")


def _confirmation_suppressed(event: EventRow, _who: Markup, _names: _Names) -> _Said:
    limit, hours = event.data.get("limit", 5), event.data.get("hours", 24)
    whose = "this mailbox has had" if event.data.get("of") != "network" else "the sender’s network has caused"
    return "info", "warn", Markup("No confirmation was sent: {} {} in {} hours.").format(whose, limit, hours)


def _reached_out(_event: EventRow, who: Markup, _names: _Names) -> _Said:
    return "done", "on", Markup("{} marked this lead reached out.").format(who)


def _sent_again(event: EventRow, who: Markup, names: _Names) -> _Said:
    name, to = mail_name(str(event.data.get("kind", ""))).lower(), str(event.data.get("to", ""))
    told = Markup(' to <b dir="auto">{}</b>').format(names.get(to, to)) if to else ""
    return "envelope", "", Markup("{} sent the {}{} again.").format(who, name, told)


def _assigned(event: EventRow, who: Markup, names: _Names) -> _Said:
    new = _person(event, "new", names)
    return "person", "", Markup("{} assigned this prospect to {}{}.").format(who, new, _by_rule(event))


def _unassigned(event: EventRow, who: Markup, names: _Names) -> _Said:
    old = _person(event, "old", names)
    return "person", "", Markup("{} took this prospect from {}. The helpdesk has it now.").format(who, old)


def _reminded(event: EventRow, _who: Markup, _names: _Names) -> _Said:
    told = Markup('<b dir="auto">{}</b>').format(event.data.get("to") or "the helpdesk")
    sentence = Markup("Past the target: a reminder goes to {}.").format(told)
    if event.data.get("away"):
        sentence += Markup(' <b dir="auto">{}</b> is away.').format(event.data["away"])
    return "clock", "warn", sentence


def _escalated(_event: EventRow, _who: Markup, _names: _Names) -> _Said:
    return "clock", "bad", Markup("Past twice the target: the helpdesk is told.")


def _conflict_check(event: EventRow, who: Markup, _names: _Names) -> _Said:
    match event.data.get("verdict", {}).get("new"):
        case Verdict.CLEAR:
            return "done", "on", Markup("{} checked for conflicts: clear.").format(who)
        case Verdict.CONFLICT:
            return "flag", "bad", Markup("{} checked for conflicts: conflict.").format(who)
        case _:
            return "pending", "", Markup("{} took the conflict check back: not checked.").format(who)


_SENTENCES: Mapping[str, Callable[[EventRow, Markup, _Names], _Said]] = {
    EventKind.SUBMITTED: _submitted,
    EventKind.CONFIRMATION_SUPPRESSED: _confirmation_suppressed,
    EventKind.REACHED_OUT: _reached_out,
    EventKind.SENT_AGAIN: _sent_again,
    EventKind.ASSIGNED: _assigned,
    EventKind.UNASSIGNED: _unassigned,
    EventKind.CONFLICT_CHECK: _conflict_check,
    EventKind.REMINDED: _reminded,
    EventKind.ESCALATED: _escalated,
}


def _by_rule(event: EventRow) -> str:
    rule = event.data.get("rule")
    if not rule:
        return ""
    return ", who was next in turn" if rule == "in turn" else f", by the rule for {rule}"


def _of_note(event: EventRow, note: Note, reader: Reader) -> Entry:
    who, clock = _who(event, reader.id), reader.clock
    if note.deleted_at is not None:
        sentence = Markup("{} wrote a note, and deleted it {}.")
        sentence = sentence.format(who, in_sentence(clock.moment(note.deleted_at)))
        versions = note.versions if reader.sees_deleted else []
        label = "What it said"
        entry = Entry(event.at, "note", "", sentence, clock.moment(event.at))
    else:
        own = note.author_kind == "user" and note.author_id == reader.id
        entry = Entry(
            event.at,
            "note",
            "",
            Markup("{} wrote a note.").format(who),
            clock.moment(event.at),
            note.now.text,
            edit=f"/internal/leads/{event.lead_id}/notes/{note.id}" if own else "",
        )
        versions = note.versions[:-1]
        label = f"Changed {in_sentence(clock.moment(note.now.at))}. What it said before"
    history = tuple((clock.moment(version.at), version.text) for version in reversed(versions))
    return entry._replace(history_label=label, history=history)


def _who(event: EventRow, reader_id: int) -> Markup:
    you = event.actor_kind == "user" and event.actor_id == reader_id
    return Markup("<b>You</b>") if you else Markup('<b dir="auto">{}</b>').format(event.actor_name)


def _person(event: EventRow, which: str, names: Mapping[str, str]) -> Markup:
    change = event.data.get("attorney")
    address = str(change.get(which) or "") if isinstance(change, dict) else ""
    return Markup('<b dir="auto">{}</b>').format(names.get(address, address) or "nobody")


def _of_sent(messages: list[MessageRow], names: Mapping[str, str], clock: Clock) -> list[Entry]:
    entries = []
    ordered = sorted(messages, key=lambda message: message.settled_at or "")
    while ordered:
        first = ordered.pop(0)
        together = [first]
        while ordered and _apart(clock, first, ordered[0]) < _TOGETHER:
            together.append(ordered.pop(0))
        said = Markup(" and the ").join(_mail(message, names) for message in together)
        sentence = Markup("The {} {} sent.").format(said, "was" if len(together) == 1 else "were")
        stamp = together[-1].settled_at or ""
        entries.append(Entry(stamp, "envelope", "on", sentence, clock.moment(stamp)))
    return entries


def _apart(clock: Clock, first: MessageRow, second: MessageRow) -> int:
    return clock.seconds_since(first.settled_at or "") - clock.seconds_since(second.settled_at or "")


def _of_waiting(message: MessageRow, names: Mapping[str, str], max_attempts: int, clock: Clock) -> Entry:
    what = _mail(message, names)
    if message.delivery == "dead":
        tries = "1 try" if message.attempts == 1 else f"{message.attempts} tries"
        stamp = message.settled_at or message.due_at
        sentence = Markup("The {} was given up after {}.").format(what, tries)
        return Entry(stamp, "dead", "bad", sentence, clock.moment(stamp))
    sentence = Markup("The {} waits for the mail server: try {} of {} failed.")
    sentence = sentence.format(what, message.attempts, max(max_attempts, message.attempts))
    return Entry(message.due_at, "retry", "warn", sentence, f"next try {clock.until(message.due_at)}")


def _mail(message: MessageRow, names: Mapping[str, str]) -> Markup:
    if message.kind == CONFIRMATION:
        return Markup("confirmation")
    name = mail_name(message.kind).lower()
    return Markup('{} to <b dir="auto">{}</b>').format(name, names.get(message.recipient, message.recipient))


def _of_other(lead: LeadRow, clock: Clock) -> Entry:
    link = Markup('<a href="/internal/leads/{0}">No. {0}</a>').format(lead.id)
    sentence = Markup("The prospect also sent {}.").format(link)
    return Entry(lead.created_at, "inbox", "", sentence, clock.moment(lead.created_at))

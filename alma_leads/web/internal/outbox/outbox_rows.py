"""A message of the outbox as its page shows it: words and links, from the row and the lead that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alma_leads.leads.core import lookup
from alma_leads.outbox.queries import MessageRow
from alma_leads.web.internal.frame.dates import Clock, in_sentence
from alma_leads.web.internal.frame.mail_labels import TOO_OLD, mail_name
from alma_leads.web.requests.numbers import whole_number


class MessageView(NamedTuple):
    """A message as the page shows it. `lead` is (number, name) where it belongs to one that is there.

    `of_use` says whether a dead letter can be sent again.
    """

    id: int
    name: str
    recipient: str
    lead: tuple[int, str] | None
    written: str
    iso: str
    tries: int
    state: str
    hint: str
    words: str
    gave_up: str
    advice: str
    of_use: bool


def lead_names(messages: Sequence[MessageRow]) -> dict[int, str]:
    """Return the names of the leads that the messages belong to, by number."""
    ids = {number for message in messages if (number := _lead_id(message)) is not None}
    leads = lookup.list_leads_by_id(sorted(ids))
    return {lead.id: f"{lead.first_name} {lead.last_name}" for lead in leads}


def _lead_id(message: MessageRow) -> int | None:
    what, _, number = message.correlation.partition(":")
    return whole_number(number) if what == "lead" else None


def message_view(message: MessageRow, names: dict[int, str], clock: Clock) -> MessageView:
    """Return a message as the page shows it, with `names` from `lead_names`."""
    lead_id = _lead_id(message)
    name = names.get(lead_id) if lead_id is not None else None
    retrying = message.delivery == "retrying"
    settled = message.settled_at or message.due_at
    tries = "1 try" if message.attempts == 1 else f"{message.attempts} tries"
    return MessageView(
        message.id,
        mail_name(message.kind),
        message.recipient,
        (lead_id, name) if lead_id is not None and name is not None else None,
        clock.moment(message.created_at),
        message.created_at,
        message.attempts,
        message.delivery,
        f"next try {clock.until(message.due_at)}" if retrying else "",
        message.last_error or "",
        f"gave up {in_sentence(clock.moment(settled)).replace(', ', ' at ')} after {tries}",
        TOO_OLD if message.is_too_old else _advice(message.last_error or ""),
        not message.is_too_old,
    )


def _advice(words: str) -> str:
    """Return what to do about a dead letter. A server that says 5xx means for good (RFC 5321)."""
    if words[:1] == "5" and words[:3].isdigit():
        return "The mail server refused for good. Check the address before you send it again."
    return "No try came through. Send it again once the mail server works."

"""The e-mail as a value, before it is queued: what was composed, for whom. Sends nothing and stores nothing."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime

# What e-mail code somewhere along the way takes for the end of a line: all control characters (among them CR, LF, NUL,
# VT, FF and NEL) and Unicode's own two separators.
_LINE_BREAKING = frozenset({"Cc", "Zl", "Zp"})


class UnsafeHeader(ValueError):
    """A value that goes into a header holds a character that could start another header."""

    def __init__(self, field: str) -> None:
        super().__init__(f"The {field} of an e-mail holds a line break or another control character.")
        self.field = field


@dataclass(frozen=True, slots=True)
class Message:
    """One e-mail to one address.

    Args:
        kind: what sort of e-mail it is, for people who look at the outbox ("lead_confirmation").
        correlation: the sender's own key, by which it asks for the state later ("lead:412"); at most 40 characters.
        recipient: an address; None for the default recipient, whoever that is when the message is sent.
        sender_name: shown before the From address.
        reply_to: an address for answers; None for the default recipient.
        subject: one line.
        text: the body for programs that show text.
        html: the same body as HTML.
        expires_at: when the link in it stops working; a message that was not sent by then is not sent any more. Its
            links are taken for secrets.

    Raises:
        UnsafeHeader: a header would break. Templates never produce that; this is the last line of defence.
    """

    kind: str
    correlation: str
    recipient: str | None
    sender_name: str
    reply_to: str | None
    subject: str
    text: str
    html: str
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        for field in ("recipient", "sender_name", "reply_to", "subject"):
            value: str = getattr(self, field) or ""
            # Nearly every value is printable as a whole; only the others are looked at letter by letter.
            if not value.isprintable() and any(unicodedata.category(char) in _LINE_BREAKING for char in value):
                raise UnsafeHeader(field)

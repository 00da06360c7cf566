"""An email that is to be enqueued, as a value. Sends nothing and stores nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# What email code somewhere along the way takes for the end of a line: all control characters (among them CR, LF, NUL,
# VT, FF and NEL) and Unicode's own two separators.
_LINE_BREAKING = frozenset({"Cc", "Zl", "Zp"})

ENGLISH = "en"


class UnsafeHeader(ValueError):
    """A value that goes into a header holds a character that could start another header."""

    def __init__(self, field: str) -> None:
        super().__init__(f"The {field} of an email holds a line break or another control character.")
        self.field = field


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One email to one address. The worker renders it from its facts when it sends it.

    Args:
        kind: names the templates ("lead_confirmation").
        correlation: the caller's own key, which finds the message later ("lead:412"); at most 40 characters.
        recipient: an address; None for the default recipient, whoever that is when the message is sent.
        sender_name: shown before the From address.
        facts: what the templates show; JSON.
        reply_to: an address for answers; None for the default recipient.
        expires_at: when the link among the facts stops working. A message that was not sent by then is not sent any
            more, and its facts are secrets: they are deleted once it is finished.
        language: of the templates, as in BCP 47.

    Raises:
        UnsafeHeader: a header would break. Input is checked before; this is the last line of defence.
    """

    kind: str
    correlation: str
    recipient: str | None
    sender_name: str
    facts: Mapping[str, Any]
    reply_to: str | None = None
    expires_at: datetime | None = None
    language: str = ENGLISH

    def __post_init__(self) -> None:
        for field in ("recipient", "sender_name", "reply_to"):
            ensure_one_line(field, getattr(self, field) or "")


def ensure_one_line(field: str, value: str) -> None:
    """Refuse a value of a header that could start another one.

    Raises:
        UnsafeHeader: it could.
    """
    # Nearly every value is printable as a whole; only the others are looked at letter by letter.
    if not value.isprintable() and any(unicodedata.category(char) in _LINE_BREAKING for char in value):
        raise UnsafeHeader(field)

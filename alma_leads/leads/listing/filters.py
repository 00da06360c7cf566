"""Which leads a list shows and in which order: parsed from a query string, refused with a sentence for each field."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import orjson

from alma_leads.common.folding import fold
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.core.verdict import Verdict
from alma_leads.resumes.sandbox.words import words_of

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_QUERY_LENGTH = 200
MAX_RESUME_WORDS = 10
DEFAULT_SORT = "-created_at"
SORTS = ("created_at", "-created_at", "last_name", "-last_name", "updated_at", "-updated_at")
# What a person at the desk can ask for besides. Programs were promised the others, and a refusal of all else.
DESK_SORTS = (*SORTS, "status", "-status", "attorney", "-attorney", "due", "-due")
NOBODY = "none"  # who has an unassigned lead


class BadFilter(ValueError):
    """Parameters that cannot be used: `errors` is a list of (field, sentence)."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors))
        self.errors = errors


class Cursor(NamedTuple):
    """A place in a sorted list: after the row with this value and id, or before it.

    `group` is the row's status, or the id of its attorney or `NOBODY`, in the orders that sort by that first.
    """

    sort: str
    value: str
    id: int
    backwards: bool
    group: str = ""

    def encode(self) -> str:
        """Return the cursor as text for an address."""
        raw = orjson.dumps(list(self) if self.group else list(self)[:4])
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """What to show. Stamps are inclusive; `query` is folded; `attorney_id` and `unassigned` exclude each other.

    `resume_words`, folded, are all in the text of the resume, in any order.

    `overdue_at` asks for leads that are pending and past the firm's target at that moment.
    """

    status: LeadStatus | None = None
    query: str = ""
    attorney_id: int | None = None
    unassigned: bool = False
    created_from: str | None = None
    created_to: str | None = None
    overdue_at: str | None = None
    returning: bool = False
    mail_trouble: bool = False
    resume_words: tuple[str, ...] = ()
    in_conflict: bool = False
    sort: str = DEFAULT_SORT
    limit: int = DEFAULT_LIMIT
    cursor: Cursor | None = None

    def without_cursor(self) -> LeadFilter:
        """Return the same filter at the start of the list."""
        return replace(self, cursor=None)


def parse_filter(
    args: Iterable[tuple[str, str]],
    *,
    find_attorney: Callable[[str], int | None],
    default_limit: int = DEFAULT_LIMIT,
    sorts: tuple[str, ...] = SORTS,
) -> LeadFilter:
    """Return the filter that the query parameters `args` (name, value) describe. An empty value means no filter.

    Args:
        args: all pairs of the query string, repeated names included.
        find_attorney: returns the id of the person with an address, or None.
        default_limit: rows when no `limit` is given.
        sorts: the orders that may be asked for.

    Raises:
        BadFilter: an unknown or repeated parameter, or a value that cannot be used.
    """
    found: dict[str, object] = {}
    errors: list[tuple[str, str]] = []
    seen: set[str] = set()
    for name, value in args:
        if name in seen:
            errors.append((name, "Give this parameter once"))
            continue
        seen.add(name)
        try:
            if name == "sort" and value not in ("", *sorts):
                raise ValueError(f"Give one of {', '.join(sorts)}")
            if name == "assigned_to":
                _assigned_to(value, found, find_attorney)
            elif name in _PARSERS:
                field, parser = _PARSERS[name]
                if value != "":
                    found[field] = parser(value)
            else:
                errors.append((name, "This parameter is not known. Leave it out"))
        except ValueError as error:
            errors.append((name, str(error)))
    cursor = found.get("cursor")
    if isinstance(cursor, Cursor) and cursor.sort != found.get("sort", DEFAULT_SORT):
        errors.append(("cursor", "This cursor belongs to another order. Start again without it"))
    if errors:
        raise BadFilter(errors)
    found.setdefault("limit", default_limit)
    return LeadFilter(**found)  # type: ignore[arg-type]


def _assigned_to(value: str, found: dict[str, object], find_attorney: Callable[[str], int | None]) -> None:
    if value == "":
        return
    if value == "none":
        found["unassigned"] = True
        return
    attorney_id = find_attorney(value)
    if attorney_id is None:
        raise ValueError("Give the email address of an attorney, or none")
    found["attorney_id"] = attorney_id


def _status(value: str) -> LeadStatus:
    try:
        return LeadStatus(value)
    except ValueError:
        raise ValueError("Give PENDING or REACHED_OUT") from None


def _query(value: str) -> str:
    if "\0" in value or len(value) > MAX_QUERY_LENGTH:
        raise ValueError(f"Search for at most {MAX_QUERY_LENGTH} characters, without NUL")
    return fold(value.strip())


def _resume_words(value: str) -> tuple[str, ...]:
    if "\0" in value or len(value) > MAX_QUERY_LENGTH:
        raise ValueError(f"Search for at most {MAX_QUERY_LENGTH} characters, without NUL")
    words = tuple(words_of(value))
    if not (words or value.isspace()) or len(words) > MAX_RESUME_WORDS:
        raise ValueError(f"Give 1 to {MAX_RESUME_WORDS} words")
    return words


def _true(value: str) -> bool:
    if value != "true":
        raise ValueError("Give true, or leave it out")
    return True


def _overdue(value: str) -> str:
    _true(value)
    return to_stamp(utc_now())


def _mail(value: str) -> bool:
    if value != "trouble":
        raise ValueError("Give trouble, or leave it out")
    return True


def _conflict(value: str) -> bool:
    if value != Verdict.CONFLICT:
        raise ValueError("Give conflict, or leave it out")
    return True


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and 1 <= int(value) <= MAX_LIMIT):
        raise ValueError(f"Give a whole number from 1 to {MAX_LIMIT}")
    return int(value)


def _created_from(value: str) -> str:
    return _moment(value, end_of_day=False)


def _created_to(value: str) -> str:
    return _moment(value, end_of_day=True)


def _moment(value: str, *, end_of_day: bool) -> str:
    sentence = "Give a date like 2026-11-24, or a time like 2026-11-24T09:30:00Z"
    try:
        if len(value) == 10:
            day = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
            return to_stamp(day + timedelta(days=1, microseconds=-1) if end_of_day else day)
        # RFC 3339 asks for a zone; a "+" in an address that was not escaped arrives as a space
        moment = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
        if moment.tzinfo is None:
            raise ValueError(value)
        return to_stamp(moment)
    except (ValueError, OverflowError):
        raise ValueError(sentence) from None


def _cursor(value: str) -> Cursor:
    try:
        raw = orjson.loads(base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True))
        cursor = Cursor(*raw)
        if not _is_place(cursor):
            raise ValueError(value)
    except (ValueError, TypeError, binascii.Error):
        raise ValueError("This cursor cannot be used. Start again without it") from None
    return cursor


def _is_place(cursor: Cursor) -> bool:
    """Return whether a decoded cursor holds what its order needs: anything may have been typed."""
    right_types = (str, str, int, bool, str)
    if not all(type(value) is kind for value, kind in zip(cursor, right_types, strict=True)):
        return False
    if cursor.sort not in DESK_SORTS or not 0 <= cursor.id < 2**63 or "\0" in cursor.value:
        return False
    order = cursor.sort.lstrip("-")
    if order != "last_name":
        _moment(cursor.value, end_of_day=False)
    if order == "attorney":
        return cursor.group == NOBODY or re.fullmatch("[0-9]{1,18}", cursor.group) is not None
    return cursor.group in set(LeadStatus) if order in ("status", "due") else not cursor.group


_PARSERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "status": ("status", _status),
    "q": ("query", _query),
    "created_from": ("created_from", _created_from),
    "created_to": ("created_to", _created_to),
    "returning": ("returning", _true),
    "overdue": ("overdue_at", _overdue),
    "mail": ("mail_trouble", _mail),
    "resume": ("resume_words", _resume_words),
    "conflict": ("in_conflict", _conflict),
    "sort": ("sort", str),
    "limit": ("limit", _limit),
    "cursor": ("cursor", _cursor),
}

"""What the desk's list is asked for: the API's filters, and those that only make sense to a person with a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import urlencode

from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.listing.filters import DESK_SORTS, BadFilter, LeadFilter, parse_filter
from alma_leads.web.internal.frame.dates import LATE_DAYS, Clock

PAGE_ROWS = 50
# What an address of an earlier release may ask for, and what the list says to it.
_FORMER_ORDERS = ("email", "-email")
_NO_SUCH_ORDER = "Lists can’t be sorted by email any more. This one is in its usual order."
_NO_PAGE_SIZE = f"The number of leads on a page can’t be chosen any more. Each page shows {PAGE_ROWS}."
OLDER = f"{LATE_DAYS}d"
RECEIVED_DAYS = {"7d": 7, "30d": 30}
RECEIVED = {"": "Any time", "7d": "Last 7 days", "30d": "Last 30 days", "late": f"{LATE_DAYS} days ago or more"}
DATES = "dates"

_FILTERS = (
    "q",
    "status",
    "assigned_to",
    "received",
    "created_from",
    "created_to",
    "overdue",
    "returning",
    "mail",
    "resume",
    "conflict",
)
_KEPT = (*_FILTERS, "sort")


@dataclass(frozen=True, slots=True)
class ListFilter:
    """A parsed list address: `leads` is what to ask for; `chosen` what the person chose, by parameter, no cursor.

    `notice` says what an address of an earlier release asked for in vain, or is empty.
    """

    leads: LeadFilter
    chosen: dict[str, str]
    notice: str = ""

    def query(self, **changes: str) -> str:
        """Return the address's query with some parameters changed; an empty value takes one away."""
        merged = self.chosen | changes
        return urlencode([(name, merged[name]) for name in (*_KEPT, "cursor") if merged.get(name)])

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the order and the place is chosen."""
        return any(self.chosen.get(name) for name in _FILTERS)

    @property
    def is_rearranged(self) -> bool:
        """Whether an order is chosen."""
        return bool(self.chosen.get("sort"))

    @property
    def view(self) -> str:
        """The saved view that this is: "all", "mine", "unassigned", "late", "overdue" or, none of them, ""."""
        return next((name for name, wanted in VIEWS.items() if self.is_only(**wanted)), "")

    def is_only(self, **wanted: str) -> bool:
        """Say whether this and nothing else is chosen, order and place aside."""
        return wanted == {name: self.chosen[name] for name in _FILTERS if self.chosen.get(name)}

    def export_query(self) -> str:
        """Return the query under which the API exports the same leads. Moments are fixed: it knows no reader."""
        asked = {
            "q": self.chosen.get("q"),
            "status": self.leads.status,
            "assigned_to": "none" if self.leads.unassigned else self.chosen.get("attorney"),
            "created_from": self.leads.created_from,
            "created_to": self.leads.created_to,
            "overdue": self.chosen.get("overdue"),
            "returning": self.chosen.get("returning"),
            "mail": self.chosen.get("mail"),
            "resume": self.chosen.get("resume"),
            "conflict": self.chosen.get("conflict"),
            "sort": self.chosen.get("sort"),
        }
        return urlencode({name: value for name, value in asked.items() if value})


# The side bar's links, as what they choose.
VIEWS: dict[str, dict[str, str]] = {
    "all": {},
    "mine": {"status": "PENDING", "assigned_to": "me"},
    "unassigned": {"status": "PENDING", "assigned_to": "none"},
    "late": {"status": "PENDING", "received": "late"},
    "overdue": {"overdue": "true"},
}


def parse(
    args: Iterable[tuple[str, str]],
    *,
    clock: Clock,
    me: tuple[int, str],
    find_attorney: Callable[[str], int | None],
) -> ListFilter:
    """Return what the pairs of a query string ask for.

    Args:
        args: (name, value), repeated names included.
        clock: says when "the last 7 days" began, and when a day begins where the reader lives.
        me: id and address of the reader, for `assigned_to=me`.
        find_attorney: returns the id of the person with an address, or None.

    Raises:
        BadFilter: an unknown or repeated parameter, or a value that cannot be used.
    """
    pairs, notice = _without_former(args)
    received, errors = _received(pairs)
    ignored = {"older", "received"}
    if received not in (None, DATES):
        ignored |= {"created_from", "created_to"}  # the form sends its hidden date fields too
    passed = [(name, _stamp(name, value, clock)) for name, value in pairs if name not in ignored]
    try:
        leads = parse_filter(
            passed,
            find_attorney=lambda text: me[0] if text == "me" else find_attorney(text),
            default_limit=PAGE_ROWS,
            sorts=DESK_SORTS,
        )
    except BadFilter as error:
        raise BadFilter([*errors, *error.errors]) from error
    if errors:
        raise BadFilter(errors)
    chosen = {name: value for name, value in pairs if name in _KEPT and value and name not in ignored}
    if received in RECEIVED_DAYS:
        leads = replace(leads, created_from=clock.back(RECEIVED_DAYS[received]))
    elif received == "late":
        leads = replace(leads, created_to=clock.back(LATE_DAYS))
    elif leads.created_from or leads.created_to:
        received = DATES
    if ("older", OLDER) in pairs:
        leads = replace(leads, status=LeadStatus.PENDING)
        chosen["status"] = LeadStatus.PENDING.value
    if received:
        chosen["received"] = received
    if leads.attorney_id is not None:
        chosen["attorney"] = me[1] if chosen["assigned_to"] == "me" else chosen["assigned_to"]
    return ListFilter(leads, chosen, notice)


def _without_former(args: Iterable[tuple[str, str]]) -> tuple[list[tuple[str, str]], str]:
    """Return the parameters without those of an earlier release, and what to say about them."""
    pairs, notices = list(args), []
    if any(name == "sort" and value in _FORMER_ORDERS for name, value in pairs):
        # The cursor is a place in that order.
        pairs = [pair for pair in pairs if pair[0] not in ("sort", "cursor")]
        notices.append(_NO_SUCH_ORDER)
    if any(name == "limit" for name, _ in pairs):
        pairs = [pair for pair in pairs if pair[0] != "limit"]
        notices.append(_NO_PAGE_SIZE)
    return pairs, " ".join(notices)


def _received(pairs: list[tuple[str, str]]) -> tuple[str | None, list[tuple[str, str]]]:
    """Return the value of `received`, None when it is not given, and what is wrong with it."""
    errors: list[tuple[str, str]] = []
    found: str | None = None
    for name, value in pairs:
        if name == "older" and value != OLDER:
            errors.append((name, f"Give {OLDER}"))
        elif name == "older":
            found = "late"
        elif name == "received" and value not in RECEIVED and value != DATES:
            errors.append((name, f"Give one of {', '.join([*filter(None, RECEIVED), DATES])}"))
        elif name == "received" and found is None:
            found = value
    return found, errors


def _stamp(name: str, value: str, clock: Clock) -> str:
    """Return a plain date as the moment at which that day begins, or ends, for the reader; all else as it is."""
    if name not in ("created_from", "created_to") or len(value) != len("2026-11-24"):
        return value
    try:
        day = date.fromisoformat(value)
        return clock.start_of(day) if name == "created_from" else clock.end_of(day)
    except (ValueError, OverflowError):
        return value

"""How the desk says a moment: in the reader's time zone, near ones by name. Values only; nothing is rendered here."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alma_leads.database.base import from_stamp, to_stamp, utc_now

# Where the firm has set no target, a pending lead is late (amber) from the first, very late (red) from the second.
LATE_DAYS = 3
VERY_LATE_DAYS = 5

_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def zone_named(name: str) -> ZoneInfo:
    """Return the IANA time zone `name`, or UTC when this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


@cache
def zone_names() -> tuple[str, ...]:
    """Return the names of all time zones. Reads a folder tree, once; a machine without one still knows UTC."""
    return tuple(sorted(zoneinfo.available_timezones() | {"UTC"}))


class Clock:
    """The present as one reader sees it. All stamps are what `to_stamp` writes.

    Args:
        zone: the reader's time zone.
        now: the present, aware; the real one unless given.
    """

    def __init__(self, zone: ZoneInfo, *, now: datetime | None = None) -> None:
        self.now = now or utc_now()
        self.stamp = to_stamp(self.now)
        self.zone = zone
        self.today = self.now.astimezone(zone).date()

    def moment(self, stamp: str) -> str:
        """Return "Today, 09:36", "Yesterday, 21:04", "18 Nov, 14:05" or, of another year, "3 Mar 2023, 14:05"."""
        local = from_stamp(stamp).astimezone(self.zone)
        return f"{self._day(local.date())}, {local.hour:02}:{local.minute:02}"

    def day(self, stamp: str) -> str:
        """Return "Today", "Yesterday", "18 Nov" or "3 Mar 2023"."""
        return self._day(from_stamp(stamp).astimezone(self.zone).date())

    def until_day(self, day: date) -> str:
        """Return "today", "tomorrow" or "3 Dec", for the inside of a sentence."""
        return in_sentence(self._day(day))

    def _day(self, day: date) -> str:
        ago = self.today.toordinal() - day.toordinal()
        if ago == 0:
            return "Today"
        if ago == 1:
            return "Yesterday"
        if ago == -1:
            return "Tomorrow"
        year = "" if day.year == self.today.year else f" {day.year}"
        return f"{day.day} {_MONTHS[day.month]}{year}"

    def full(self, stamp: str) -> str:
        """Return "Wednesday 18 November 2026, 14:05"."""
        local = from_stamp(stamp).astimezone(self.zone)
        return f"{local:%A} {local.day} {local:%B %Y, %H:%M}"

    def exact(self, stamp: str) -> str:
        """Return "Wednesday 18 November 2026, 14:05:09, Europe/Berlin"."""
        local = from_stamp(stamp).astimezone(self.zone)
        return f"{self.full(stamp)}:{local.second:02}, {self.zone.key}"

    def ago(self, stamp: str) -> str:
        """Return "just now", "4 minutes ago", "2 hours ago", "6 days ago"."""
        seconds = self.seconds_since(stamp)
        return "just now" if seconds < _MINUTE else f"{_span(seconds)} ago"

    def until(self, stamp: str) -> str:
        """Return "now" or "in 2 minutes"."""
        seconds = -self.seconds_since(stamp)
        if seconds <= 0:
            return "now"
        return "in less than a minute" if seconds < _MINUTE else f"in {_span(seconds)}"

    def waiting(self, stamp: str) -> str:
        """Return how long it is since then in two steps: "5 days 19 hours", "2 hours 5 minutes", "4 minutes"."""
        seconds = max(0, self.seconds_since(stamp))
        if seconds < _MINUTE:
            return "less than a minute"
        rest = seconds % (_DAY if seconds >= _DAY else _HOUR)
        smaller = _span(rest) if seconds >= _HOUR and rest >= (_HOUR if seconds >= _DAY else _MINUTE) else ""
        return f"{_span(seconds)} {smaller}".rstrip()

    def how_long(self, stamp: str) -> str:
        """Return how long it is since then in one step: "3 days", "5 hours", "4 minutes"."""
        seconds = self.seconds_since(stamp)
        return "less than a minute" if seconds < _MINUTE else _span(seconds)

    def days_since(self, stamp: str) -> int:
        """Return the whole days (of 24 hours) since then."""
        return self.seconds_since(stamp) // _DAY

    def seconds_since(self, stamp: str) -> int:
        """Return the whole seconds since then; negative when it is to come."""
        return int((self.now - from_stamp(stamp)).total_seconds())

    def back(self, days: int) -> str:
        """Return the stamp of `days` times 24 hours ago."""
        return to_stamp(self.now - timedelta(days=days))

    def start_of(self, day: date) -> str:
        """Return the stamp at which `day` begins for the reader."""
        return to_stamp(datetime.combine(day, time.min, self.zone).astimezone(UTC))

    def end_of(self, day: date) -> str:
        """Return the last stamp of `day` for the reader."""
        following = datetime.combine(day + timedelta(days=1), time.min, self.zone).astimezone(UTC)
        return to_stamp(following - timedelta(microseconds=1))


def in_sentence(said: str) -> str:
    """Return "today, 09:36" for "Today, 09:36": the form inside a sentence."""
    return said[0].lower() + said[1:] if said.startswith(("Today", "Tomorrow", "Yesterday")) else said


def took(start: str, end: str) -> str:
    """Return how long something took, shortly: "1 min", "14 h", "1 day", "3 days"."""
    seconds = max(0, int((from_stamp(end) - from_stamp(start)).total_seconds()))
    if seconds < _HOUR:
        return f"{max(1, seconds // _MINUTE)} min"
    return f"{seconds // _HOUR} h" if seconds < _DAY else _span(seconds)


def _span(seconds: int) -> str:
    for size, word in ((_DAY, "day"), (_HOUR, "hour")):
        if seconds >= size:
            return _counted(seconds // size, word)
    return _counted(seconds // _MINUTE, "minute")


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"

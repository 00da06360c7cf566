"""How the desk says a moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alma_leads.database.base import to_stamp
from alma_leads.web.internal.frame.dates import Clock, took, zone_named

NOW = datetime(2026, 11, 24, 9, 40, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock(ZoneInfo("UTC"), now=NOW)


def stamp(**ago: float) -> str:
    return to_stamp(NOW - timedelta(**ago))


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2026-11-24T09:36:00.000000Z", "Today, 09:36"),
        ("2026-11-24T00:00:00.000000Z", "Today, 00:00"),
        ("2026-11-23T23:59:59.999999Z", "Yesterday, 23:59"),
        ("2026-11-22T14:05:00.000000Z", "22 Nov, 14:05"),
        ("2025-03-03T14:05:00.000000Z", "3 Mar 2025, 14:05"),
    ],
)
def test_a_moment_is_said_by_name_when_it_is_near(clock: Clock, moment: str, said: str) -> None:
    assert clock.moment(moment) == said


def test_the_day_changes_at_the_readers_midnight() -> None:
    late_in_new_york = "2026-11-24T04:30:00.000000Z"
    assert Clock(ZoneInfo("America/New_York"), now=NOW).moment(late_in_new_york) == "Yesterday, 23:30"
    assert Clock(ZoneInfo("Asia/Kathmandu"), now=NOW).moment(late_in_new_york) == "Today, 10:15"


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        ({"seconds": 59}, "just now"),
        ({"seconds": -30}, "just now"),
        ({"minutes": 1}, "1 minute ago"),
        ({"minutes": 59, "seconds": 59}, "59 minutes ago"),
        ({"hours": 2}, "2 hours ago"),
        ({"hours": 47}, "1 day ago"),
        ({"days": 6}, "6 days ago"),
    ],
)
def test_ago(clock: Clock, ago: dict[str, float], said: str) -> None:
    assert clock.ago(stamp(**ago)) == said


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        ({"seconds": 30}, "less than a minute"),
        ({"minutes": 4}, "4 minutes"),
        ({"hours": 2, "minutes": 5}, "2 hours 5 minutes"),
        ({"hours": 2, "seconds": 20}, "2 hours"),
        ({"days": 5, "hours": 19, "minutes": 35}, "5 days 19 hours"),
        ({"days": 1, "minutes": 59}, "1 day"),
    ],
)
def test_waiting_is_said_in_two_steps(clock: Clock, ago: dict[str, float], said: str) -> None:
    assert clock.waiting(stamp(**ago)) == said


@pytest.mark.parametrize(
    ("ahead", "said"),
    [({"minutes": -1}, "now"), ({"seconds": 20}, "in less than a minute"), ({"minutes": 2}, "in 2 minutes")],
)
def test_until(clock: Clock, ahead: dict[str, float], said: str) -> None:
    assert clock.until(to_stamp(NOW + timedelta(**ahead))) == said


@pytest.mark.parametrize(("seconds", "said"), [(5, "1 min"), (3599, "59 min"), (50400, "14 h"), (86400, "1 day")])
def test_took(seconds: int, said: str) -> None:
    assert took(to_stamp(NOW), to_stamp(NOW + timedelta(seconds=seconds))) == said


def test_a_day_has_the_length_it_has_where_the_reader_lives() -> None:
    clock = Clock(ZoneInfo("Europe/Berlin"), now=NOW)
    summer_ends = date(2026, 10, 25)  # 25 hours long
    assert clock.start_of(summer_ends) == "2026-10-24T22:00:00.000000Z"
    assert clock.end_of(summer_ends) == "2026-10-25T22:59:59.999999Z"


def test_the_full_date_names_the_weekday(clock: Clock) -> None:
    assert clock.full("2026-11-18T14:05:00.000000Z") == "Wednesday 18 November 2026, 14:05"


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd"])
def test_an_unknown_zone_is_utc(name: str) -> None:
    assert zone_named(name).key == "UTC"

"""Working time: by example where a person can count, by property everywhere else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alma_leads.leads.first_contact.working_time import NoWorkingTime, WorkingTime

BERLIN = ZoneInfo("Europe/Berlin")
NINE_TO_FIVE = WorkingTime(BERLIN, frozenset({1, 2, 3, 4, 5}), 9 * 60, 17 * 60)
ALWAYS = WorkingTime(BERLIN, frozenset(range(1, 8)), 0, 24 * 60)
HOUR = timedelta(hours=1)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("received", "hours", "due"),
    [
        ("2026-11-24 09:00", 8, "2026-11-24 17:00"),  # a whole day ends with its day, not with the next morning
        ("2026-11-24 10:00", 8, "2026-11-25 10:00"),
        ("2026-11-24 20:00", 2, "2026-11-25 11:00"),  # in the evening
        ("2026-11-24 03:00", 2, "2026-11-24 11:00"),  # before work
        ("2026-11-27 16:30", 1, "2026-11-30 09:30"),  # over a weekend
        ("2026-11-28 12:00", 1, "2026-11-30 10:00"),  # in it
        ("2026-11-24 17:00", 1, "2026-11-25 10:00"),  # on the stroke of five
        ("2026-11-28 12:00", 0, "2026-11-30 09:00"),
    ],
)
def test_working_time_passes_only_at_work(received: str, hours: int, due: str) -> None:
    assert NINE_TO_FIVE.add(berlin(received), hours * HOUR) == berlin(due)
    assert NINE_TO_FIVE.between(berlin(received), berlin(due)) == hours * HOUR


def test_holidays_and_closed_days_are_free() -> None:
    firm = WorkingTime(BERLIN, frozenset({1, 2, 3, 4, 5}), 540, 1020, "DE", "BY", frozenset({date(2027, 1, 5)}))
    # Three Kings' Day is kept in Bavaria only, the day before is the firm's own.
    assert firm.add(berlin("2027-01-04 16:00"), 2 * HOUR) == berlin("2027-01-07 10:00")
    in_berlin = WorkingTime(BERLIN, frozenset({1, 2, 3, 4, 5}), 540, 1020, "DE", "BE")
    assert in_berlin.add(berlin("2027-01-05 16:00"), 2 * HOUR) == berlin("2027-01-06 10:00")
    # Christmas and New Year, of two years, with the weekends between.
    assert firm.add(berlin("2026-12-24 16:00"), 1 * HOUR) == berlin("2026-12-24 17:00")
    assert firm.add(berlin("2026-12-24 16:30"), 1 * HOUR) == berlin("2026-12-28 09:30")
    assert firm.between(berlin("2026-12-31 16:00"), berlin("2027-01-04 10:00")) == 2 * HOUR


def test_the_night_on_which_clocks_change_is_as_long_as_it_is() -> None:
    spring, autumn = berlin("2026-03-29 00:00"), berlin("2026-10-25 00:00")
    assert ALWAYS.between(spring, spring + timedelta(days=1)) == 23 * HOUR  # wall clock arithmetic: the next midnight
    assert ALWAYS.between(autumn, autumn + timedelta(days=1)) == 25 * HOUR
    night = WorkingTime(BERLIN, frozenset(range(1, 8)), 60, 240)  # from one to four
    assert night.between(spring, spring + timedelta(days=1)) == 2 * HOUR
    assert night.between(autumn, autumn + timedelta(days=1)) == 4 * HOUR
    # An hour that the firm's clock leaves out is nobody's working time.
    lost = WorkingTime(BERLIN, frozenset({7}), 120, 180)
    assert lost.between(spring, spring + timedelta(days=1)) == timedelta()


def test_a_firm_that_never_works_is_refused() -> None:
    closed = frozenset(date(2026, 1, 1) + timedelta(days=number) for number in range(2000))
    with pytest.raises(NoWorkingTime):
        WorkingTime(BERLIN, frozenset({1}), 540, 1020, closed_days=closed).add(berlin("2026-02-01 00:00"), HOUR)
    with pytest.raises(NoWorkingTime):
        WorkingTime(BERLIN, frozenset(), 540, 1020).add(berlin("2026-02-01 00:00"), HOUR)


zones = st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe"])
moments = st.datetimes(datetime(2025, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
amounts = st.integers(0, 100 * 60 * 60).map(lambda seconds: timedelta(seconds=seconds))


@st.composite
def firms(draw: st.DrawFn) -> WorkingTime:
    opens = draw(st.integers(0, 1200))
    country, subdivision = draw(st.sampled_from([("", ""), ("US", "CA"), ("DE", "BY"), ("IN", "")]))
    return WorkingTime(
        ZoneInfo(draw(zones)),
        draw(st.frozensets(st.integers(1, 7), min_size=1)),
        opens,
        draw(st.integers(opens + 4 * 60, 1440)),
        country,
        subdivision,
        draw(st.frozensets(st.dates(date(2025, 1, 1), date(2029, 12, 31)), max_size=20)),
    )


@settings(deadline=None, max_examples=80)
@given(firms(), moments, amounts)
def test_what_is_added_lies_between(firm: WorkingTime, start: datetime, amount: timedelta) -> None:
    end = firm.add(start, amount)
    assert end >= start
    assert firm.between(start, end) == amount


@settings(deadline=None, max_examples=80)
@given(firms(), moments, amounts, amounts)
def test_adding_in_two_steps_is_adding_at_once(
    firm: WorkingTime, start: datetime, first: timedelta, second: timedelta
) -> None:
    at_once = firm.add(start, first + second)
    in_steps = firm.add(firm.add(start, first), second)
    # At the end of a day nothing is left to add, and adding nothing leads to the next morning.
    assert in_steps == at_once or (not second and firm.between(at_once, in_steps) == timedelta())


@settings(deadline=None, max_examples=80)
@given(firms(), moments, amounts, amounts)
def test_more_work_takes_longer_and_whoever_comes_later_is_not_due_earlier(
    firm: WorkingTime, start: datetime, amount: timedelta, more: timedelta
) -> None:
    due = firm.add(start, amount)
    assert firm.add(start, amount + more) >= due
    later = firm.add(start + more, amount)
    # The one exception: no work at all from the end of a day is the end of the day's night.
    assert later >= due or not amount


@settings(deadline=None, max_examples=80)
@given(firms(), moments, amounts, amounts)
def test_working_time_adds_up_and_is_never_longer_than_time(
    firm: WorkingTime, start: datetime, first: timedelta, second: timedelta
) -> None:
    middle, end = start + first, start + first + second
    assert firm.between(start, middle) + firm.between(middle, end) == firm.between(start, end)
    assert timedelta() <= firm.between(start, end) <= end - start
    assert firm.between(end, start) == timedelta() or not first + second


@settings(deadline=None, max_examples=50)
@given(moments, amounts)
def test_a_firm_that_never_closes_works_all_the_time(start: datetime, amount: timedelta) -> None:
    assert ALWAYS.add(start, amount) == start + amount
    assert ALWAYS.between(start, start + amount) == amount

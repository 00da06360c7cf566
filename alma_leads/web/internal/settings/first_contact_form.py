"""The form of the first contact clock: from settings to the text in its fields, and back, with a sentence for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from alma_leads.database.base import utc_now
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.leads.first_contact.holiday_regions import countries, subdivisions
from alma_leads.leads.first_contact.working_time import DAY_MINUTES, NoWorkingTime, WorkingTime
from alma_leads.web.internal.frame.dates import zone_names

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MAX_TARGET_HOURS = 200
MAX_CLOSED_DAYS = 400
# A target that takes longer than this to pass twice over is a slip: reminders would come after years.
MAX_WAIT = timedelta(days=366)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(:00)?")


class BadSettings(ValueError):
    """Fields that cannot be used: `errors` has a sentence for each."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors.items()))
        self.errors = errors


@dataclass(frozen=True)
class Typed:
    """What stands in the fields, as text. Hours may have a fraction; `closed_days` has a day on each line."""

    target: str
    amber: str
    weekdays: Sequence[str]
    opens: str
    closes: str
    time_zone: str
    country: str
    subdivision: str
    closed_days: str

    @classmethod
    def of_form(cls, form: MultiDict[str, str]) -> Typed:
        """Return what was typed."""
        texts = {name: form.get(name, "").strip() for name in cls.__dataclass_fields__ if name != "weekdays"}
        return cls(weekdays=form.getlist("weekdays"), **texts)

    @classmethod
    def of_settings(cls, settings: FirstContact) -> Typed:
        """Return how the settings are shown."""
        working = settings.working
        return cls(
            target=_hours_text(settings.target),
            amber=_hours_text(settings.amber),
            weekdays=[str(number) for number in sorted(working.weekdays)],
            opens=_time_text(working.opens),
            closes=_time_text(working.closes),
            time_zone=working.zone.key,
            country=working.country,
            subdivision=working.subdivision,
            closed_days="\n".join(day.isoformat() for day in sorted(working.closed_days)),
        )

    def settings(self) -> FirstContact:
        """Return the settings that these fields describe.

        Raises:
            BadSettings: they cannot be used.
        """
        reader = _Reader(self)
        found = reader.read()
        if reader.errors:
            order = list(asdict(self))
            raise BadSettings(dict(sorted(reader.errors.items(), key=lambda pair: order.index(pair[0]))))
        return found


class _Reader:
    """Reads the fields, and collects what is wrong with them."""

    def __init__(self, typed: Typed) -> None:
        self._typed = typed
        self.errors: dict[str, str] = {}

    def read(self) -> FirstContact:
        typed = self._typed
        target = self._hours("target") if typed.target else None
        amber = self._hours("amber") if target and typed.amber else None
        if target and not typed.amber:
            self.errors["amber"] = "Enter after how many working hours a lead turns amber"
        if target and amber and amber >= target:
            self.errors["amber"] = "Enter fewer hours than the target has"
        working = WorkingTime(
            self._zone(), self._weekdays(), *self._opening(), *self._country(), closed_days=self._closed_days()
        )
        if target and not self.errors and _takes_too_long(working, target):
            self.errors["target"] = "With these hours it takes more than a year to pass this target twice. Enter fewer"
        return FirstContact(0, working, target, amber)

    def _hours(self, field: str) -> timedelta | None:
        try:
            hours = Decimal(getattr(self._typed, field).replace(",", "."))
            if not Decimal("0.25") <= hours <= MAX_TARGET_HOURS:
                raise ValueError(field)
        except (InvalidOperation, ValueError):
            self.errors[field] = f"Enter a number of hours from 0.25 to {MAX_TARGET_HOURS}"
            return None
        return timedelta(minutes=int(hours * 60))

    def _weekdays(self) -> frozenset[int]:
        chosen = set(self._typed.weekdays)
        if not chosen or not chosen <= set("1234567"):
            self.errors["weekdays"] = "Choose at least one day"
        return frozenset(int(number) for number in chosen if number in set("1234567"))

    def _opening(self) -> tuple[int, int]:
        opens, closes = self._minute("opens"), self._minute("closes")
        closes = closes or DAY_MINUTES  # midnight ends the day
        if not self.errors.keys() & {"opens", "closes"} and closes <= opens:
            self.errors["closes"] = "Enter a time after the one at which work begins"
        return opens, closes

    def _minute(self, field: str) -> int:
        found = _TIME.fullmatch(getattr(self._typed, field))
        if found is None:
            self.errors[field] = "Enter a time like 09:00"
            return 0
        return int(found[1]) * 60 + int(found[2])

    def _zone(self) -> ZoneInfo:
        if self._typed.time_zone in zone_names():
            return ZoneInfo(self._typed.time_zone)
        self.errors["time_zone"] = "Choose a time zone from the list"
        return ZoneInfo("UTC")

    def _country(self) -> tuple[str, str]:
        country, part = self._typed.country, self._typed.subdivision.upper()
        if not country:
            if part:
                self.errors["subdivision"] = "Choose its country too, or leave it empty"
            return "", ""
        if country not in dict(countries()):
            self.errors["country"] = "Choose a country from the list"
            return "", ""
        known = {code.upper(): code for code in subdivisions()[country]}
        if part and part not in known:
            codes = ", ".join(known.values())
            self.errors["subdivision"] = f"Enter one of {codes}" if codes else "Leave it empty: this country has none"
        return country, known.get(part, "")

    def _closed_days(self) -> frozenset[date]:
        days = set()
        for line in self._typed.closed_days.split():
            try:
                days.add(date.fromisoformat(line))
            except ValueError:
                self.errors["closed_days"] = f"Write each day like 2026-12-24; this is not one: {line[:20]}"
                return frozenset()
        if len(days) > MAX_CLOSED_DAYS:
            self.errors["closed_days"] = f"Enter at most {MAX_CLOSED_DAYS} days"
        return frozenset(days)


def _takes_too_long(working: WorkingTime, target: timedelta) -> bool:
    now = utc_now()
    try:
        return working.add(now, 2 * target) > now + MAX_WAIT
    except NoWorkingTime:
        return True


def _hours_text(amount: timedelta | None) -> str:
    return "" if amount is None else f"{amount / timedelta(hours=1):.4f}".rstrip("0").rstrip(".")


def _time_text(minute: int) -> str:
    return f"{minute // 60 % 24:02}:{minute % 60:02}"


def next_holidays(working: WorkingTime, *, after: date, count: int = 5) -> list[date]:
    """Return the next days, within a year, on which the firm would work but for a holiday or a day of its own."""
    days = (after + timedelta(days=number) for number in range(366))
    closed = (day for day in days if day.isoweekday() in working.weekdays and not working.is_working_day(day))
    return [day for day, _ in zip(closed, range(count), strict=False)]

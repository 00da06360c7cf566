"""The form of the first contact clock: what can be used, what cannot, and the sentence for it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from alma_leads.web.internal.settings.first_contact_form import BadSettings, Typed
from tests.support.first_contact import GOOD


def test_what_is_typed_comes_back_as_it_is_kept() -> None:
    found = Typed(**GOOD).settings()
    assert (found.target, found.amber) == (timedelta(hours=8), timedelta(hours=4.5))
    assert found.working.closed_days == {date(2026, 12, 24), date(2026, 12, 31)}
    again = Typed.of_settings(found)
    assert again == Typed(**{**GOOD, "amber": "4.5", "subdivision": "BY", "closed_days": "2026-12-24\n2026-12-31"})
    assert again.settings() == found


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("target", "soon", "Enter a number of hours from 0.25 to 200"),
        ("target", "0", "Enter a number of hours"),
        ("target", "NaN", "Enter a number of hours"),
        ("target", "1e9", "Enter a number of hours"),
        ("amber", "", "Enter after how many working hours a lead turns amber"),
        ("amber", "8", "Enter fewer hours than the target has"),
        ("weekdays", [], "Choose at least one day"),
        ("weekdays", ["8"], "Choose at least one day"),
        ("opens", "9", "Enter a time like 09:00"),
        ("closes", "24:10", "Enter a time like 09:00"),
        ("closes", "08:00", "Enter a time after the one at which work begins"),
        ("time_zone", "Mars/Olympus", "Choose a time zone from the list"),
        ("country", "XX", "Choose a country from the list"),
        ("country", "", "Choose its country too, or leave it empty"),
        ("subdivision", "CA", "Enter one of BB, BE, BW, BY"),
        ("closed_days", "24.12.2026", "Write each day like 2026-12-24; this is not one: 24.12.2026"),
    ],
)
def test_what_cannot_be_used_is_said(field: str, typed: Any, message: str) -> None:
    with pytest.raises(BadSettings) as bad:
        Typed(**{**GOOD, field: typed}).settings()
    (said,) = bad.value.errors.values()
    assert said.startswith(message)


def test_a_target_that_takes_years_is_a_slip() -> None:
    with pytest.raises(BadSettings, match="target: With these hours it takes more than a year"):
        Typed(**{**GOOD, "target": "200", "weekdays": ["7"], "closes": "09:30"}).settings()

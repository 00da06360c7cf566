"""What tests of the first contact clock need: a firm that has set it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask

from alma_leads.common.actor import Actor
from alma_leads.leads.first_contact.first_contact import FirstContact
from alma_leads.leads.first_contact.recalculation_service import recalculate
from alma_leads.leads.first_contact.settings_service import change_settings
from alma_leads.leads.first_contact.working_time import WorkingTime

# A settings form that can be used.
GOOD: dict[str, Any] = {
    "target": "8",
    "amber": "4,5",
    "weekdays": ["1", "2", "3", "4", "5"],
    "opens": "09:00",
    "closes": "17:00",
    "time_zone": "Europe/Berlin",
    "country": "DE",
    "subdivision": "by",
    "closed_days": "2026-12-24\r\n2026-12-31",
}

ROSA = Actor("user", 1, "Rosa Delgado")


def firm(
    *, target: float | None = 8, amber: float | None = 4, zone: str = "Europe/Berlin", **changes: Any
) -> FirstContact:
    """Return settings: nine to five from Monday to Friday in Berlin, with a target in hours."""
    hours: dict[str, Any] = {"weekdays": frozenset({1, 2, 3, 4, 5}), "opens": 540, "closes": 1020}
    working = WorkingTime(ZoneInfo(zone), **(hours | changes))
    amounts = [None if amount is None else timedelta(hours=amount) for amount in (target, amber)]
    return FirstContact(0, working, amounts[0], amounts[1] if target else None)


def set_clock(app: Flask, **changes: Any) -> None:
    """Set the firm's clock, and give the leads that wait their moments."""
    with app.app_context():
        change_settings(firm(**changes), actor=ROSA)
        recalculate()

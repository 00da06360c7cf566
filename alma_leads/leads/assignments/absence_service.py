"""Use cases of being away: saying from when to when, and taking it back. Each is one transaction."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db
from alma_leads.leads.assignments import absences
from alma_leads.leads.assignments.absences import Days
from alma_leads.leads.core.errors import BadAbsence

MOST_DAYS = 366  # more is a slip of the year
FURTHEST_DAYS = 3653  # and so is this

# On PostgreSQL two who say it at once stand in line at the person's row.
_NAME = "SELECT name FROM users WHERE id = :user_id"
_HOLD_NAME = Sql(sqlite=_NAME, postgresql=f"{_NAME} FOR UPDATE")
_TAKE_TOUCHING = Sql("""
    DELETE FROM absences WHERE user_id = :user_id AND first_day <= :day_after AND last_day >= :day_before
    RETURNING first_day, last_day
""")
_INSERT = Sql("INSERT INTO absences (user_id, first_day, last_day) VALUES (:user_id, :first_day, :last_day)")
_REMOVE = Sql("DELETE FROM absences WHERE id = :id AND user_id = :user_id RETURNING first_day, last_day")


class Absences(NamedTuple):
    """When someone is away on `today`, the firm's day, or later."""

    today: date
    days: list[Days]

    @property
    def until(self) -> date | None:
        """The last day, of who is away today."""
        return self.days[0].last_day if self.days and self.days[0].first_day <= self.today else None


def absences_of(user_id: int) -> Absences:
    """Return when someone is away today or later."""
    with reading(db.engine) as connection:
        day = absences.today(connection)
        return Absences(day, absences.of_person(connection, user_id, day=day))


def away_today() -> dict[int, date]:
    """Return who is away today, by number, and their last day."""
    with reading(db.engine) as connection:
        return absences.away_on(connection, absences.today(connection))


def add_absence(user_id: int, *, first_day: date, last_day: date, actor: Actor) -> None:
    """Say that someone is away, both days included. What overlaps or touches becomes one absence.

    Raises:
        BadAbsence: the days cannot be used.
    """
    with transaction_on(db.engine) as connection:
        _check(first_day, last_day, today=absences.today(connection))
        name = _name(connection, user_id)
        touching = _TAKE_TOUCHING.rows(
            connection,
            user_id=user_id,
            day_before=(first_day - timedelta(days=1)).isoformat(),
            day_after=(last_day + timedelta(days=1)).isoformat(),
        )
        days = {
            "first_day": min([first_day.isoformat(), *(row[0] for row in touching)]),
            "last_day": max([last_day.isoformat(), *(row[1] for row in touching)]),
        }
        _INSERT.run(connection, user_id=user_id, **days)
        if [tuple(row) for row in touching] != [tuple(days.values())]:  # a double click says nothing new
            trail.record(connection, Action.ABSENCE_ADDED, actor=actor, subject=name, **days)


def remove_absence(absence_id: int, *, user_id: int, actor: Actor) -> None:
    """Take back that someone is away; nothing happens when that was done already."""
    with transaction_on(db.engine) as connection:
        removed = _REMOVE.row(connection, id=absence_id, user_id=user_id)
        if removed is not None:
            days = {"first_day": removed[0], "last_day": removed[1]}
            trail.record(connection, Action.ABSENCE_REMOVED, actor=actor, subject=_name(connection, user_id), **days)


def _check(first_day: date, last_day: date, *, today: date) -> None:
    if last_day < first_day:
        raise BadAbsence("last_day", "Enter the same day as the first, or a later one")
    if last_day < today:
        raise BadAbsence("last_day", "Enter today or a later day: this one is over")
    if (last_day - first_day).days >= MOST_DAYS:
        raise BadAbsence("last_day", "Enter a day within a year of the first")
    if (last_day - today).days >= FURTHEST_DAYS:
        raise BadAbsence("last_day", "Enter a day within the next ten years")


def _name(connection: Connection, user_id: int) -> str:
    name: str = _HOLD_NAME.rows(connection, user_id=user_id)[0][0]
    return name

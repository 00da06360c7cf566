"""Who is away: the condition for statements about people, and reading the days. Nothing is changed here."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, exists

from alma_leads.accounts.core.models import User
from alma_leads.database.base import utc_now
from alma_leads.database.raw import Sql
from alma_leads.leads.assignments.models import Absence
from alma_leads.leads.first_contact import first_contact

# Whether a `User` is away on `:today`, the firm's day in ISO 8601.
IS_AWAY = (
    exists()
    .where(Absence.user_id == User.id, Absence.first_day <= bindparam("today"), Absence.last_day >= bindparam("today"))
    .correlate(User)
)
# The same for statements that are still written by hand, about people `u`, with the parameter `:today`.
AWAY = """
    EXISTS (SELECT 1 FROM absences a WHERE a.user_id = u.id AND a.first_day <= :today AND a.last_day >= :today)"""

_OF_PERSON = Sql("""
    SELECT id, first_day, last_day FROM absences WHERE user_id = :user_id AND last_day >= :today
    ORDER BY first_day, id
""")
_NOW = Sql("""
    SELECT user_id, max(last_day) FROM absences WHERE first_day <= :today AND last_day >= :today GROUP BY user_id
""")


class Days(NamedTuple):
    """Days on which someone is away, both included."""

    id: int
    first_day: date
    last_day: date


def today(connection: Connection) -> date:
    """Return the day that it is at the firm."""
    return first_contact.read(connection).working.day_of(utc_now())


def of_person(connection: Connection, user_id: int, *, day: date) -> list[Days]:
    """Return when someone is away on `day` or later, in order."""
    rows = _OF_PERSON.rows(connection, user_id=user_id, today=day.isoformat())
    return [Days(row[0], date.fromisoformat(row[1]), date.fromisoformat(row[2])) for row in rows]


def away_on(connection: Connection, day: date) -> dict[int, date]:
    """Return who is away on a day, by number, and their last day."""
    return {row[0]: date.fromisoformat(row[1]) for row in _NOW.rows(connection, today=day.isoformat())}

"""Use cases of absences: enter and remove one. Each is one transaction."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import select

from alma_leads.accounts.core.models import User
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db
from alma_leads.database.session import transaction
from alma_leads.leads.assignments import absences
from alma_leads.leads.assignments.models import Absence
from alma_leads.leads.core.errors import BadAbsence

MAX_DAYS = 366  # more is a slip of the year
MAX_DAYS_AHEAD = 3653  # and so is this


class Absences(NamedTuple):
    """The present and future absences of a user. `today` is the date at the firm."""

    today: date
    absences: list[Absence]

    @property
    def away_until(self) -> date | None:
        """The last day away, if the user is away today."""
        present = self.absences[:1]
        return present[0].last_day if present and present[0].first_day <= self.today else None


def get_absences(user_id: int) -> Absences:
    """Return the present and future absences of a user."""
    session = db.session()
    today = absences.get_today(session)
    return Absences(today, absences.list_absences(session, user_id, since=today))


def find_away_until() -> dict[int, date]:
    """Return the last day away of each user who is away today, by user id."""
    return absences.find_away_until(db.session())


def add_absence(user_id: int, *, first_day: date, last_day: date, actor: Actor) -> None:
    """Enter an absence, both days included. It is merged with those that it overlaps or touches.

    Raises:
        BadAbsence: the days are not possible.
    """
    with transaction() as session:
        _check(first_day, last_day, today=absences.get_today(session))
        # Locked, so that two absences of one user that are entered at once are merged as well.
        user = session.get_one(User, user_id, with_for_update=True)
        one_day = timedelta(days=1)
        touching = session.scalars(
            select(Absence).where(
                Absence.user_id == user_id,
                Absence.first_day <= last_day + one_day,
                Absence.last_day >= first_day - one_day,
            )
        ).all()
        merged = Absence(
            user_id=user_id,
            first_day=min([first_day, *(each.first_day for each in touching)]),
            last_day=max([last_day, *(each.last_day for each in touching)]),
        )
        if [_days(each) for each in touching] == [_days(merged)]:  # a double click
            return
        for each in touching:
            session.delete(each)
        session.add(merged)
        connection = session.connection()
        trail.record(connection, Action.ABSENCE_ADDED, actor=actor, subject=user.name, **_days(merged))


def remove_absence(absence_id: int, *, user_id: int, actor: Actor) -> None:
    """Remove an absence of a user. Nothing happens when it was removed already."""
    with transaction() as session:
        absence = session.get(Absence, absence_id, with_for_update=True)
        if absence is None or absence.user_id != user_id:
            return
        session.delete(absence)
        name, connection = session.get_one(User, user_id).name, session.connection()
        trail.record(connection, Action.ABSENCE_REMOVED, actor=actor, subject=name, **_days(absence))


def _check(first_day: date, last_day: date, *, today: date) -> None:
    if last_day < first_day:
        raise BadAbsence("last_day", "Enter the same day as the first, or a later one")
    if last_day < today:
        raise BadAbsence("last_day", "Enter today or a later day: this one is over")
    if (last_day - first_day).days >= MAX_DAYS:
        raise BadAbsence("last_day", "Enter a day within a year of the first")
    if (last_day - today).days >= MAX_DAYS_AHEAD:
        raise BadAbsence("last_day", "Enter a day within the next ten years")


def _days(absence: Absence) -> dict[str, str]:
    return {"first_day": absence.first_day.isoformat(), "last_day": absence.last_day.isoformat()}

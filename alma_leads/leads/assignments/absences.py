"""Who is away: the condition for statements about users, and reading absences. Nothing is changed here."""

from __future__ import annotations

from datetime import date

from sqlalchemy import and_, bindparam, exists, func, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import User
from alma_leads.database.base import utc_now
from alma_leads.leads.assignments.models import Absence
from alma_leads.leads.first_contact import first_contact

_INCLUDES_TODAY = and_(Absence.first_day <= bindparam("today"), Absence.last_day >= bindparam("today"))
# Whether a `User` is away on the day `:today` of the firm, and the last day of that absence.
IS_AWAY = exists().where(Absence.user_id == User.id, _INCLUDES_TODAY).correlate(User)
AWAY_UNTIL = (
    select(func.max(Absence.last_day))
    .where(Absence.user_id == User.id, _INCLUDES_TODAY)
    .correlate(User)
    .scalar_subquery()
    .label("away_until")
)


def get_today(session: Session) -> date:
    """Return today's date at the firm."""
    return first_contact.read(session.connection()).working.day_of(utc_now())


def list_absences(session: Session, user_id: int, *, since: date) -> list[Absence]:
    """Return the absences of a user that have not ended before `since`, in order."""
    query = select(Absence).where(Absence.user_id == user_id, Absence.last_day >= since)
    return list(session.scalars(query.order_by(Absence.first_day, Absence.id)))


def find_away_until(session: Session) -> dict[int, date]:
    """Return the last day away of each user who is away today, by user id."""
    query = select(User.id, AWAY_UNTIL).where(IS_AWAY)
    return {row.id: row.away_until for row in session.execute(query, {"today": get_today(session)})}

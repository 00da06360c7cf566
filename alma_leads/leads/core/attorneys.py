"""Who can be assigned prospects: the condition, and reading such users."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import Role, User
from alma_leads.common.email_address import BadEmailAddress, normalise_email
from alma_leads.leads.core.errors import NotAnActiveAttorney

# A user who no longer is one keeps their prospects; the helpdesk is notified about these.
IS_ACTIVE_ATTORNEY = and_(User.active, User.role.in_([Role.ADMINISTRATOR, Role.ATTORNEY]))


class Attorney(NamedTuple):
    """A user who can be assigned prospects. `away_until` is the last day of an absence that includes today."""

    id: int
    email: str
    name: str
    away_until: date | None = None


def get_attorney(session: Session, email: str) -> User:
    """Return the active attorney with this email address.

    Raises:
        NotAnActiveAttorney: nobody who is one has it.
    """
    try:
        normalised = normalise_email(email.strip())
    except BadEmailAddress as error:
        raise NotAnActiveAttorney(email) from error
    found = session.scalar(select(User).where(User.email == normalised, IS_ACTIVE_ATTORNEY))
    if found is None:
        raise NotAnActiveAttorney(email)
    return found


def list_active_attorneys(session: Session, user_ids: Iterable[int]) -> list[User]:
    """Return those of these users who are active attorneys."""
    return list(session.scalars(select(User).where(User.id.in_(set(user_ids)), IS_ACTIVE_ATTORNEY).order_by(User.id)))

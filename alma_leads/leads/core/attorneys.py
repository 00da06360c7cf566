"""Who can have prospects: the one condition for it, and reading such people. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, and_

from alma_leads.accounts.core.models import Role, User
from alma_leads.database.raw import Sql, id_list, sql_in
from alma_leads.email_address import BadEmailAddress, normalise_email
from alma_leads.leads.core.errors import NotAnActiveAttorney

# A user who no longer is one keeps their prospects; the helpdesk is notified about these.
IS_ACTIVE_ATTORNEY = and_(User.active, User.role.in_([Role.ADMINISTRATOR, Role.ATTORNEY]))
# The same for statements that are still written by hand, about people `u`.
SERVES = "(u.active AND u.role IN ('administrator', 'attorney'))"

_WITH_ADDRESS = Sql(f"SELECT u.id, u.email, u.name FROM users u WHERE u.email = :email AND {SERVES}")
_ACTIVE = sql_in(f"SELECT u.id, u.email, u.name FROM users u WHERE u.id IN :ids AND {SERVES}")
_NAMES = sql_in("SELECT id, email, name FROM users WHERE id IN :ids")


class Attorney(NamedTuple):
    """Someone who can have prospects. `away_until` is the last day, of who is away and was asked about it."""

    id: int
    email: str
    name: str
    away_until: date | None = None


def attorney_with(connection: Connection, email: str) -> Attorney:
    """Return the attorney with this address.

    Raises:
        NotAnActiveAttorney: it is not an active attorney's.
    """
    try:
        row = _WITH_ADDRESS.row(connection, email=normalise_email(email.strip()))
    except BadEmailAddress:
        row = None
    if row is None:
        raise NotAnActiveAttorney(email)
    return Attorney(*row)


def active_people(connection: Connection, user_ids: Iterable[int]) -> list[Attorney]:
    """Return those of these people who are active attorneys."""
    return [Attorney(*row) for row in _ACTIVE.rows(connection, ids=id_list(connection, user_ids))]


def find_people(connection: Connection, user_ids: Sequence[int]) -> list[Attorney]:
    """Return address and name of people, active or not."""
    return [Attorney(*row) for row in _NAMES.rows(connection, ids=id_list(connection, user_ids))]

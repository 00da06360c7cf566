"""Who can have done something: people and keys by number and name, those that are gone included."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sqlalchemy import Connection

from alma_leads.database.raw import Sql

_ALL = Sql("""
    SELECT 'user' AS kind, id, name, active AS works FROM users
    UNION ALL SELECT 'key', id, name, revoked_at IS NULL FROM api_keys
    ORDER BY name, id
""")


class Doer(NamedTuple):
    """A person or a key. `works` says whether it can still come in."""

    kind: Literal["user", "key"]
    id: int
    name: str
    works: bool


def all_doers(connection: Connection) -> list[Doer]:
    """Return everyone, by name."""
    return [Doer(kind, number, name, bool(works)) for kind, number, name, works in _ALL.rows(connection)]

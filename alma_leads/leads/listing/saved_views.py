"""What is read of saved views. Who may keep and delete which is said in `view_service`."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from alma_leads.database.raw import Sql

_COLUMNS = "v.id, v.name, v.shared, v.query, v.owner_id, u.name"
_FROM = "FROM saved_views v JOIN users u ON u.id = v.owner_id"
_SEEN = "(v.owner_id = :user_id OR v.shared)"
_SEEN_BY = Sql(f"SELECT {_COLUMNS} {_FROM} WHERE {_SEEN} ORDER BY v.shared, v.name, v.id LIMIT 200")
_ONE = Sql(f"SELECT {_COLUMNS} {_FROM} WHERE v.id = :id AND {_SEEN}")


class ViewRow(NamedTuple):
    """A saved view. `query` is the query string of its list."""

    id: int
    name: str
    shared: bool
    query: str
    owner_id: int
    owner_name: str


def views_for(connection: Connection, user_id: int) -> list[ViewRow]:
    """Return the views that a person sees: first their own, then everyone's, by name."""
    return [_row(row) for row in _SEEN_BY.rows(connection, user_id=user_id)]


def get_view(connection: Connection, view_id: int, *, user_id: int) -> ViewRow | None:
    """Return one of the views that a person sees, or None."""
    row = _ONE.row(connection, id=view_id, user_id=user_id)
    return None if row is None else _row(row)


def _row(row: tuple[object, ...]) -> ViewRow:
    view = ViewRow(*row)  # type: ignore[arg-type]
    return view._replace(shared=bool(view.shared))

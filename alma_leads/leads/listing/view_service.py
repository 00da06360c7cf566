"""The use cases of saved views: kept under a name, and deleted by their owner or by whoever may."""

from __future__ import annotations

from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import transaction_on
from alma_leads.extensions import db
from alma_leads.leads.core.errors import TooManyViews, ViewNotFound

MAX_VIEWS = 50

_COUNT = Sql("SELECT count(*) FROM saved_views WHERE owner_id = :owner_id AND name <> :name")
_SAVE = Sql("""
    INSERT INTO saved_views (owner_id, name, shared, query, saved_at)
    VALUES (:owner_id, :name, :shared, :query, :now)
    ON CONFLICT (owner_id, name) DO UPDATE SET shared = excluded.shared, query = excluded.query, saved_at = :now
    RETURNING id
""")
_DELETE = Sql("DELETE FROM saved_views WHERE id = :id AND (owner_id = :user_id OR (shared AND :any_shared))")


def save_view(*, owner_id: int, name: str, query: str, shared: bool) -> int:
    """Keep a list under a name, in place of the owner's view of that name, and return its number.

    Raises:
        TooManyViews: the owner has `MAX_VIEWS` others.
    """
    with transaction_on(db.engine) as connection:
        row = _COUNT.row(connection, owner_id=owner_id, name=name)
        assert row is not None
        if row[0] >= MAX_VIEWS:
            raise TooManyViews(MAX_VIEWS)
        saved = _SAVE.row(connection, owner_id=owner_id, name=name, shared=shared, query=query, now=to_stamp(utc_now()))
        assert saved is not None
        return int(saved[0])


def delete_view(view_id: int, *, user_id: int, any_shared: bool) -> None:
    """Delete a view: one's own, or with `any_shared` one that somebody shared.

    Raises:
        ViewNotFound: there is no such view that this person may delete.
    """
    with transaction_on(db.engine) as connection:
        if not _DELETE.run(connection, id=view_id, user_id=user_id, any_shared=any_shared):
            raise ViewNotFound(view_id)

"""The use cases of saved views: save under a name, and delete."""

from __future__ import annotations

from sqlalchemy import func, select

from alma_leads.accounts.core.models import User
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.leads.core.errors import TooManyViews, ViewNotFound
from alma_leads.leads.listing.models import SavedView

MAX_VIEWS = 50


def save_view(*, owner_id: int, name: str, query: str, shared: bool) -> int:
    """Save a list under a name, in place of the owner's view of that name, and return its id.

    Raises:
        TooManyViews: the owner has `MAX_VIEWS` others.
    """
    with transaction() as session:
        session.get(User, owner_id, with_for_update=True)  # two saves by one user wait for each other
        view = session.scalar(select(SavedView).where(SavedView.owner_id == owner_id, SavedView.name == name))
        if view is None:
            count = select(func.count()).where(SavedView.owner_id == owner_id)
            if session.scalars(count).one() >= MAX_VIEWS:
                raise TooManyViews(MAX_VIEWS)
            view = SavedView(owner_id=owner_id, name=name)
            session.add(view)
        view.query, view.shared, view.saved_at = query, shared, utc_now()
        session.flush()
        return view.id


def delete_view(view_id: int, *, user_id: int, any_shared: bool) -> None:
    """Delete one's own view, or with `any_shared` one that somebody shared.

    Raises:
        ViewNotFound: there is no such view that this user may delete.
    """
    with transaction() as session:
        view = session.get(SavedView, view_id)
        if view is None or not (view.owner_id == user_id or (view.shared and any_shared)):
            raise ViewNotFound(view_id)
        session.delete(view)

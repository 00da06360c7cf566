"""Read saved views. `view_service` says who may save and delete which."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import joinedload

from alma_leads.common.extensions import db
from alma_leads.leads.core.errors import ViewNotFound
from alma_leads.leads.listing.models import SavedView


def _visible_to(user_id: int) -> Select[SavedView]:
    views = select(SavedView).options(joinedload(SavedView.owner))
    return views.where(or_(SavedView.owner_id == user_id, SavedView.shared))


def list_views(user_id: int) -> Sequence[SavedView]:
    """Return the views that a user sees: first their own, then everyone's, by name."""
    views = _visible_to(user_id).order_by(SavedView.shared, SavedView.name, SavedView.id)
    return db.session.scalars(views.limit(200)).all()


def get_view(view_id: int, *, user_id: int) -> SavedView:
    """Return one of the views that a user sees.

    Raises:
        ViewNotFound: there is no such view.
    """
    view = db.session.scalar(_visible_to(user_id).where(SavedView.id == view_id))
    if view is None:
        raise ViewNotFound(view_id)
    return view

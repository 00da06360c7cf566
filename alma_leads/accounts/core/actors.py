"""Who may have done something: users and API keys by id and name, deactivated and revoked ones included."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row, literal, select, union_all
from sqlalchemy.orm import Session

from alma_leads.accounts.core.models import ApiKey, User


def list_actors(session: Session) -> Sequence[Row[str, int, str, bool]]:
    """Return `kind` ("user" or "key"), `id`, `name` and `is_active` of everyone, by name."""
    everyone = union_all(
        select(literal("user").label("kind"), User.id, User.name, User.active.label("is_active")),
        select(literal("key"), ApiKey.id, ApiKey.name, ApiKey.revoked_at.is_(None)),
    )
    columns = everyone.selected_columns
    return session.execute(everyone.order_by(columns.name, columns.id)).all()

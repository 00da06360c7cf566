"""Use cases of one's own account: how the desk works for its reader."""

from __future__ import annotations

from alma_leads.database import Sql, transaction
from alma_leads.extensions import db

_SET_PREFERENCES = Sql("""
    UPDATE users SET time_zone = :time_zone, theme = :theme, single_key_shortcuts = :single_key_shortcuts WHERE id = :id
""")


def set_preferences(user_id: int, *, time_zone: str, theme: str, single_key_shortcuts: bool) -> None:
    """Keep how the desk works for someone."""
    with transaction(db.engine) as connection:
        _SET_PREFERENCES.run(
            connection, id=user_id, time_zone=time_zone, theme=theme, single_key_shortcuts=single_key_shortcuts
        )

"""The Flask extensions, unbound. A leaf: it imports no feature, and every feature may import it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import current_app
from flask_mail import Mail
from flask_migrate import Migrate
from flask_wtf import CSRFProtect

from alma_leads.database.session import db

if TYPE_CHECKING:
    from config import Settings

__all__ = ["csrf", "db", "mail", "migrate", "settings"]

migrate = Migrate()
mail = Mail()
csrf = CSRFProtect()


def settings() -> Settings:
    """Return the settings that the running application was made with."""
    return cast("Settings", current_app.config["SETTINGS"])

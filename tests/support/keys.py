"""Making keys for tests."""

from __future__ import annotations

from typing import Any

from flask import Flask

from alma_leads.accounts.api_keys.key_service import create_key
from alma_leads.accounts.core.permissions import Scope
from alma_leads.common.actor import OPERATOR


def new_key(app: Flask, name: str = "website-import", *scopes: Scope, **changes: Any) -> str:
    """Make a key for everything, unless told otherwise, and return its secret."""
    asked: dict[str, Any] = {"networks": [], "expires_at": None, **changes}
    with app.app_context():
        _, secret = create_key(name, scopes=scopes or tuple(Scope), actor=OPERATOR, **asked)
    return secret

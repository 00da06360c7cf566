"""The blueprint of what anyone may use. A leaf, so that the route modules can share it."""

from __future__ import annotations

from flask import Blueprint

public = Blueprint("public", __name__)

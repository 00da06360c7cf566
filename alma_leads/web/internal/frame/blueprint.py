"""The blueprint of the desk and its API. A leaf, so that the route modules can share it."""

from __future__ import annotations

from flask import Blueprint

internal = Blueprint("internal", __name__, url_prefix="/internal")

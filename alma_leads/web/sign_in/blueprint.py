"""The blueprint of the way in. A leaf, so that the route modules can share it."""

from __future__ import annotations

from flask import Blueprint

sign_in = Blueprint("sign_in", __name__)

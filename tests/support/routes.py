"""Every route there is, and how to ask for it."""

from __future__ import annotations

import re

from flask import Flask
from werkzeug.routing import Rule

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def rules(app: Flask) -> list[Rule]:
    """Return every rule; fails when there are suspiciously few."""
    found = list(app.url_map.iter_rules())
    assert len(found) > 20
    return found


def address(rule: Rule) -> str:
    """Return an address that `rule` serves."""
    filled = re.sub(r"<int[^>]*>", "1", rule.rule)
    return re.sub(r"<[^>]*>", "x", filled)


def methods(rule: Rule) -> set[str]:
    """Return the methods that a view of ours answers."""
    return set(rule.methods or ()) - {"HEAD", "OPTIONS"}

"""What only the firm may use: the desk and its JSON API."""

from alma_leads.web.internal import api, assignments_page, desk, lead_actions, outbox, settings
from alma_leads.web.internal.blueprint import internal

__all__ = ["api", "assignments_page", "desk", "internal", "lead_actions", "outbox", "settings"]

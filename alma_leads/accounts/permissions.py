"""Who may do what, as data: the permissions, and which role holds which. A key's scopes are permissions too."""

from __future__ import annotations

import enum

from alma_leads.accounts.models import Role


class Permission(enum.StrEnum):
    """Something a person or a key may be allowed to do."""

    CREATE_LEADS = "leads:create"
    READ_LEADS = "leads:read"
    UPDATE_LEADS = "leads:update"
    EXPORT_LEADS = "leads:export"
    MANAGE_ASSIGNMENTS = "assignments:manage"
    READ_OUTBOX = "outbox:read"
    MANAGE_OUTBOX = "outbox:manage"
    MANAGE_PEOPLE = "people:manage"
    OWN_ACCOUNT = "account:own"


ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.ATTORNEY: frozenset(Permission) - {Permission.MANAGE_OUTBOX, Permission.MANAGE_PEOPLE},
    Role.VIEWER: frozenset({Permission.READ_LEADS, Permission.READ_OUTBOX, Permission.OWN_ACCOUNT}),
}

# What the static INTERNAL_API_KEY may do: everything but act as a person.
STATIC_KEY_PERMISSIONS = frozenset(Permission) - {Permission.OWN_ACCOUNT}

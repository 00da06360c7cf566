"""Who may do what, as data: the permissions, and which role and which scope of a key holds which."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from alma_leads.accounts.core.models import Role


class Permission(enum.StrEnum):
    """Something a person or a key may be allowed to do."""

    CREATE_LEADS = "leads:create"
    READ_LEADS = "leads:read"
    UPDATE_LEADS = "leads:update"
    EXPORT_LEADS = "leads:export"
    # Notes of one's own, changed and deleted: for people, as their pages are.
    WRITE_NOTES = "notes:write"
    # For people too: a key reads no pages, checks nothing, and is not asked whether it means so many.
    READ_CONFLICTS = "conflicts:read"
    RECORD_CONFLICTS = "conflicts:record"
    READ_INSIGHTS = "insights:read"
    UPDATE_MANY = "leads:update-many"
    # An e-mail of a lead once more, by whoever works it; the whole outbox is the administrators'.
    SEND_EMAILS = "leads:send"
    ASSIGN_LEADS = "leads:assign"
    # Saying when one is away, for people who have prospects.
    BE_AWAY = "account:away"
    MANAGE_ASSIGNMENTS = "assignments:manage"
    SHARE_VIEWS = "views:share"
    MANAGE_VIEWS = "views:manage"
    READ_OUTBOX = "outbox:read"
    MANAGE_OUTBOX = "outbox:manage"
    MANAGE_PEOPLE = "people:manage"
    MANAGE_KEYS = "keys:manage"
    MANAGE_FIRM = "firm:manage"
    READ_AUDIT_LOG = "audit:read"
    OWN_ACCOUNT = "account:own"
    # Apart from the account, since whoever has to set up a second factor may do that and nothing else.
    SET_UP_SECOND_FACTOR = "account:second-factor"


_READS = {Permission.READ_LEADS, Permission.READ_CONFLICTS, Permission.READ_INSIGHTS, Permission.READ_OUTBOX}
_OWN = {Permission.OWN_ACCOUNT, Permission.SET_UP_SECOND_FACTOR}
_WORKS = {
    Permission.CREATE_LEADS,
    Permission.UPDATE_LEADS,
    Permission.UPDATE_MANY,
    Permission.EXPORT_LEADS,
    Permission.WRITE_NOTES,
    Permission.RECORD_CONFLICTS,
    Permission.SEND_EMAILS,
    Permission.ASSIGN_LEADS,
    Permission.BE_AWAY,
    Permission.SHARE_VIEWS,
}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.ATTORNEY: frozenset(_READS | _WORKS | _OWN),
    Role.VIEWER: frozenset(_READS | _OWN),
}

# Whoever has proved one factor and has to set up the second.
ENROLMENT_PERMISSIONS = frozenset({Permission.SET_UP_SECOND_FACTOR})


class Scope(enum.StrEnum):
    """What a key is made for."""

    CREATE = "leads:create"
    READ = "leads:read"
    UPDATE = "leads:update"
    EXPORT = "leads:export"


SCOPE_PERMISSIONS: dict[Scope, frozenset[Permission]] = {
    Scope.CREATE: frozenset({Permission.CREATE_LEADS}),
    Scope.READ: frozenset({Permission.READ_LEADS}),
    # Who works a lead also says whose it is.
    Scope.UPDATE: frozenset({Permission.UPDATE_LEADS, Permission.ASSIGN_LEADS}),
    Scope.EXPORT: frozenset({Permission.EXPORT_LEADS}),
}


def of_scopes(scopes: Iterable[Scope]) -> frozenset[Permission]:
    """Return what a key with these scopes may do."""
    return frozenset().union(*(SCOPE_PERMISSIONS[scope] for scope in scopes))


# The static INTERNAL_API_KEY is the operator's own: every scope, and the outbox. It manages no people and no keys, and
# has no account.
STATIC_KEY_PERMISSIONS = of_scopes(Scope) | {Permission.READ_OUTBOX, Permission.MANAGE_OUTBOX}

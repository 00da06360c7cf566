"""Add to the audit log: who did what, apart from the events of a lead. Each event is part of what it records.

The log names users and keys. Of prospects it holds at most the ids of their leads.
"""

from __future__ import annotations

import enum
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.orm import Session

from alma_leads.audit.models import AuditEvent
from alma_leads.common.actor import Actor
from alma_leads.database.base import utc_now


class Action(enum.StrEnum):
    """What can happen. The log is filtered by these values, and exports hold them."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    SESSIONS_ENDED = "sessions_ended"
    PERSON_ADDED = "person_added"
    INVITATION_SENT = "invitation_sent"
    INVITATION_REVOKED = "invitation_revoked"
    RESET_LINK_SENT = "reset_link_sent"
    PERSON_DEACTIVATED = "person_deactivated"
    PERSON_ACTIVATED = "person_activated"
    ROLE_CHANGED = "role_changed"
    NAME_CHANGED = "name_changed"
    EMAIL_CHANGE_ASKED = "email_change_asked"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 -- a name, not a secret
    AUTHENTICATOR_ADDED = "authenticator_added"
    AUTHENTICATOR_REMOVED = "authenticator_removed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    SECOND_FACTOR_RESET = "second_factor_reset"
    SECOND_FACTOR_REQUIRED = "second_factor_required"
    SECOND_FACTOR_OPTIONAL = "second_factor_optional"
    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    KEY_REFUSED = "key_refused"
    ACCESS_REFUSED = "access_refused"
    LEADS_EXPORTED = "leads_exported"
    AUDIT_EXPORTED = "audit_exported"
    OUTBOX_RETRIED = "outbox_retried"
    FIRST_CONTACT_SET = "first_contact_set"
    ROTATION_SET = "rotation_set"
    DOMAIN_RULE_SET = "domain_rule_set"
    DOMAIN_RULE_REMOVED = "domain_rule_removed"
    ABSENCE_ADDED = "absence_added"
    ABSENCE_REMOVED = "absence_removed"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    LEADS_MARKED = "leads_marked"
    LEADS_ASSIGNED = "leads_assigned"
    ASSIGNMENTS_IMPORTED = "assignments_imported"
    ASSIGNMENTS_EXPORTED = "assignments_exported"


def record(session: Session | Connection, action: Action, *, actor: Actor, subject: str = "", **data: Any) -> None:
    """Add one event, in the caller's transaction.

    Args:
        session: in a transaction of the caller; nothing is committed here.
        action: what happened.
        actor: who did it.
        subject: what it happened to, in a few words; no personal data of prospects.
        data: details that JSON can hold, such as old and new; no secrets and no personal data of prospects.
    """
    session.execute(
        insert(AuditEvent).values(
            at=utc_now(),
            action=action.value,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name,
            actor_address=actor.address,
            subject=subject[:200],
            data=data,
        )
    )

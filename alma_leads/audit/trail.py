"""The audit log: who did what that is no lead's own event. Only ever added to, in the transaction of what happened.

It names people of the firm and keys. Of prospects it holds at most the numbers of their leads.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import CheckConstraint, Connection, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.actor import Actor
from alma_leads.database.base import Base, Id, UtcDateTime, to_stamp, utc_now
from alma_leads.database.raw import Sql


class Action(enum.StrEnum):
    """What can happen. A value is the field's own word, as it is filtered by and exported."""

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


class AuditEvent(Base):
    """Something that happened. Triggers refuse to change or delete a row.

    `subject` says what it happened to ("Ian Park", "script: website-import"), `data` is a JSON object.
    """

    __tablename__ = "audit_events"

    id: Mapped[Id] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    action: Mapped[str] = mapped_column(String(40))
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[Id | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    actor_address: Mapped[str | None] = mapped_column(String(45))
    subject: Mapped[str] = mapped_column(String(200))
    data: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("actor_kind IN ('user', 'key', 'system', 'stranger')", name="actor_kind"),
        Index("ix_audit_events_at_id", "at", "id"),
        Index("ix_audit_events_action_at_id", "action", "at", "id"),
        Index("ix_audit_events_actor_kind_actor_id_at_id", "actor_kind", "actor_id", "at", "id"),
        Index("ix_audit_events_actor_kind_actor_id_action_at_id", "actor_kind", "actor_id", "action", "at", "id"),
    )


_INSERT = Sql("""
    INSERT INTO audit_events (at, action, actor_kind, actor_id, actor_name, actor_address, subject, data)
    VALUES (:at, :action, :actor_kind, :actor_id, :actor_name, :actor_address, :subject, :data)
""")


def record(connection: Connection, action: Action, *, actor: Actor, subject: str = "", **data: Any) -> None:
    """Add one event, in the caller's transaction.

    Args:
        connection: in a transaction of the caller; nothing is committed here.
        action: what happened.
        actor: who did it.
        subject: what it happened to, in a few words; no personal data of prospects.
        data: more that JSON can hold, such as old and new; no secret and no personal data of prospects.
    """
    _INSERT.run(
        connection,
        at=to_stamp(utc_now()),
        action=action.value,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        actor_address=actor.address,
        subject=subject[:200],
        data=orjson.dumps(data).decode(),
    )

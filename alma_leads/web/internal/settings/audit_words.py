"""The audit log in words: each event as a sentence, from the row alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from alma_leads.accounts.second_factor.passkey_sign_in_service import UNKNOWN_PASSKEY
from alma_leads.accounts.sign_in.sign_in_service import UNKNOWN_ACCOUNT
from alma_leads.audit.models import AuditEvent
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp
from alma_leads.web.internal.frame.dates import Clock

# What an event is called in the list of kinds, and its sentence. `whose` is the subject's: "their own" for oneself.
WORDS: dict[Action, tuple[str, str]] = {
    Action.SIGNED_IN: ("Signed in", "{who} signed in."),
    Action.SIGN_IN_FAILED: ("Sign-in failed", "{who} could not sign in as {subject}."),
    Action.SIGNED_OUT: ("Signed out", "{who} signed out."),
    Action.SESSIONS_ENDED: ("Other browsers signed out", "{who} ended {whose} other sessions."),
    Action.PERSON_ADDED: ("Person added", "{who} added {subject}."),
    Action.INVITATION_SENT: ("Invitation sent", "{who} sent {subject} an invitation."),
    Action.INVITATION_REVOKED: ("Invitation revoked", "{who} revoked the invitation of {subject}."),
    Action.RESET_LINK_SENT: ("Reset link sent", "{who} had a link for a new password sent to {subject}."),
    Action.PERSON_DEACTIVATED: ("Person turned off", "{who} turned {subject} off."),
    Action.PERSON_ACTIVATED: ("Person turned on", "{who} turned {subject} on."),
    Action.ROLE_CHANGED: ("Role changed", "{who} changed {whose} role."),
    Action.NAME_CHANGED: ("Name changed", "{who} changed {whose} name."),
    Action.EMAIL_CHANGE_ASKED: ("Email change asked for", "{who} asked for a change of {whose} email address."),
    Action.EMAIL_CHANGED: ("Email changed", "{who} changed {whose} email address."),
    Action.PASSWORD_CHANGED: ("Password changed", "{who} changed {whose} password."),
    Action.AUTHENTICATOR_ADDED: ("Authenticator app added", "{who} set up {whose} authenticator app."),
    Action.AUTHENTICATOR_REMOVED: ("Authenticator app removed", "{who} removed {whose} authenticator app."),
    Action.PASSKEY_ADDED: ("Passkey added", "{who} added a passkey to {whose} account."),
    Action.PASSKEY_REMOVED: ("Passkey removed", "{who} removed a passkey from {whose} account."),
    Action.RECOVERY_CODES_MADE: ("Recovery codes made", "{who} made {whose} recovery codes anew."),
    Action.SECOND_FACTOR_RESET: ("Second factor reset", "{who} reset {whose} second factor."),
    Action.SECOND_FACTOR_REQUIRED: ("Second factor required", "{who} made a second factor required for everyone."),
    Action.SECOND_FACTOR_OPTIONAL: ("Second factor optional", "{who} made the second factor optional."),
    Action.IDENTITY_LINKED: ("Work account linked", "{who} linked {whose} work account."),
    Action.IDENTITY_UNLINKED: ("Work account unlinked", "{who} unlinked {whose} work account."),
    Action.KEY_CREATED: ("Key created", "{who} created the key {subject}."),
    Action.KEY_REVOKED: ("Key revoked", "{who} revoked the key {subject}."),
    Action.KEY_REFUSED: ("Key refused", "{who} was refused with {subject}."),
    Action.ACCESS_REFUSED: ("Access refused", "{who} was refused {subject}."),
    Action.LEADS_EXPORTED: ("Leads exported", "{who} exported {subject}."),
    Action.AUDIT_EXPORTED: ("Audit log exported", "{who} exported the audit log, {subject}."),
    Action.OUTBOX_RETRIED: ("Email sent again", "{who} had an email about {subject} sent again."),
    Action.FIRST_CONTACT_SET: ("First contact set", "{who} changed the target for a first contact or its hours."),
    Action.ROTATION_SET: ("Turns set", "{who} changed who gets new prospects in turn."),
    Action.DOMAIN_RULE_SET: ("Domain rule set", "{who} had new prospects from {subject} go to {new}."),
    Action.DOMAIN_RULE_REMOVED: ("Domain rule removed", "{who} removed the rule for {subject}."),
    Action.ABSENCE_ADDED: ("Absence added", "{who} said when {subject} is away."),
    Action.ABSENCE_REMOVED: ("Absence removed", "{who} took back when {subject} is away."),
    Action.ASSIGNED: ("Prospect assigned", "{who} assigned {subject} to {new}."),
    Action.UNASSIGNED: ("Prospect unassigned", "{who} took {subject} from {old}."),
    Action.LEADS_MARKED: ("Leads marked", "{who} marked {subject} reached out."),
    Action.LEADS_ASSIGNED: ("Leads assigned", "{who} assigned {subject} to {new}."),
    Action.ASSIGNMENTS_IMPORTED: ("Assignments imported", "{who} imported {subject}."),
    Action.ASSIGNMENTS_EXPORTED: ("Assignments exported", "{who} exported {subject}."),
}
# What the sentence has said already.
_TOLD = {Action.ASSIGNED: {"old", "new"}, Action.UNASSIGNED: {"old", "new"}, Action.AUDIT_EXPORTED: {"count"}}
_TOLD[Action.DOMAIN_RULE_SET] = {"new"}
_TOLD[Action.LEADS_EXPORTED] = _TOLD[Action.ASSIGNMENTS_EXPORTED] = _TOLD[Action.ASSIGNMENTS_IMPORTED] = {"count"}
_TOLD[Action.LEADS_ASSIGNED] = {"new"}
_LEAD = re.compile(r"lead ([1-9]\d*)")


class EventView(NamedTuple):
    """An event as the page shows it: the sentence, what more there is to it, from where, and when."""

    sentence: Markup
    more: str
    address: str
    when: str
    exact: str
    iso: str


def event_view(event: AuditEvent, clock: Clock) -> EventView:
    """Return an event as the page shows it."""
    at = to_stamp(event.at)
    told = _TOLD.get(Action(event.action), set()) if event.action in list(Action) else set()
    return EventView(
        _sentence(event),
        _more({name: value for name, value in event.data.items() if name not in told}),
        event.actor_address or "",
        clock.moment(at),
        clock.exact(at),
        at,
    )


def label(action: str) -> str:
    """Return what an action is called; one that this version does not know by its own word."""
    return WORDS[Action(action)][0] if action in list(Action) else action.replace("_", " ").capitalize()


def _sentence(event: AuditEvent) -> Markup:
    who, subject = _strong(event.actor_name), _subject(event.subject)
    oneself = event.subject == event.actor_name
    whose = Markup("their own") if oneself else Markup("{}’s").format(subject)
    if event.action == Action.OUTBOX_RETRIED and "count" in event.data:
        pattern = "{who} had {subject} sent again."
    elif event.action == Action.SIGN_IN_FAILED and event.subject == UNKNOWN_ACCOUNT:
        pattern = "{who} tried to sign in to an account that does not exist."
    elif event.action == Action.SIGN_IN_FAILED and event.subject == UNKNOWN_PASSKEY:
        pattern = "{who} tried to sign in with {subject}."
    elif event.action in list(Action):
        pattern = WORDS[Action(event.action)][1]
    else:
        pattern = "{what}: {who}, {subject}."
    old, new = (_strong(str(event.data.get(name) or "nobody")) for name in ("old", "new"))
    # The patterns are this module's own; what is put into them is escaped.
    return Markup(pattern).format(  # noqa: S704
        who=who, subject=subject, whose=whose, old=old, new=new, what=label(event.action)
    )


def _subject(subject: str) -> Markup:
    lead = _LEAD.fullmatch(subject)
    if lead:
        return Markup('<a href="/internal/leads/{}">{}</a>').format(lead[1], subject)
    return _strong(subject)


def _strong(text: str) -> Markup:
    return Markup('<b dir="auto">{}</b>').format(text)


def _more(data: Mapping[str, Any]) -> str:
    """Return "role: viewer, count: 3" for what else was written down."""
    return ", ".join(
        f"{name.replace('_', ' ')}: {_value(value)}" for name, value in data.items() if value not in (None, "", [], {})
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(_value, value))
    if isinstance(value, dict):
        return f"({_more(value)})"
    return str(value)

"""What the desk calls the emails it sends."""

from __future__ import annotations

from alma_leads.leads.core.emails import ASSIGNED, CONFIRMATION, DIGEST, NOTIFICATION, REMINDER

MAIL_NAMES = {
    CONFIRMATION: "Confirmation",
    NOTIFICATION: "Notice",
    REMINDER: "Reminder",
    DIGEST: "Daily digest",
    ASSIGNED: "Notice of the assignment",
}


def mail_name(kind: str) -> str:
    """Return what people call an e-mail of this kind."""
    return MAIL_NAMES.get(kind, kind.replace("_", " ").capitalize())


TOO_OLD = "The link in it no longer works, so it cannot be sent again. Have a new one sent."

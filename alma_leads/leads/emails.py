"""The two e-mails that a lead causes: composed here as values, sent by the outbox."""

from __future__ import annotations

from urllib.parse import urlsplit

from alma_leads.leads.schemas import LeadIn
from alma_leads.outbox.composition import compose
from alma_leads.outbox.message import Message

CONFIRMATION = "lead_confirmation"
NOTIFICATION = "lead_notification"

# A first name with one of these could carry somebody's link into a stranger's inbox.
_LINK_MARKS = frozenset("/:.@")


def correlation(lead_id: int) -> str:
    """Return the key under which the outbox knows the e-mails of a lead."""
    return f"lead:{lead_id}"


def confirmation(lead: LeadIn, *, lead_id: int) -> Message:
    """Return the e-mail that tells the prospect that the details have arrived. Holds no address of this application."""
    safe_name = "" if _LINK_MARKS.intersection(lead.first_name) else lead.first_name
    return compose(
        CONFIRMATION,
        correlation=correlation(lead_id),
        recipient=lead.email,
        sender_name="Alma",
        first_name=safe_name,
    )


def notification(
    lead: LeadIn,
    *,
    lead_id: int,
    attorney_email: str | None,
    file_name: str | None,
    earlier: list[tuple[int, str]],
    public_url: str,
) -> Message:
    """Return the e-mail that tells the attorney, or the helpdesk when there is none, of a new lead.

    Args:
        lead: what was submitted.
        lead_id: its number.
        attorney_email: the active attorney who has this prospect.
        file_name: name of the uploaded file, if one was.
        earlier: (number, status) of the prospect's earlier leads, newest first.
        public_url: start of the link to the desk.
    """
    return compose(
        NOTIFICATION,
        correlation=correlation(lead_id),
        recipient=attorney_email,
        sender_name="Alma leads",
        lead_id=str(lead_id),
        name=f"{lead.first_name} {lead.last_name}",
        email=lead.email,
        resume_label=file_name or urlsplit(lead.resume_url or "").hostname or "",
        lead_url=f"{public_url}/internal/leads/{lead_id}",
        earlier=tuple(earlier),
        returning=bool(earlier),
        assigned=attorney_email is not None,
    )

"""The emails that a lead causes, and those that remind of it: values for the outbox, which renders and sends them."""

from __future__ import annotations

from alma_leads.leads.core.links import web_link
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.outbox.message import NewMessage

CONFIRMATION = "lead_confirmation"
NOTIFICATION = "lead_notification"
REMINDER = "lead_reminder"
DIGEST = "lead_digest"
ASSIGNED = "lead_assigned"

SHOWN = 20  # an e-mail about many leads names so many of them

# A first name with one of these could carry somebody's link into a stranger's inbox.
_LINK_MARKS = frozenset("/:.@")


def correlation(lead_id: int) -> str:
    """Return the key under which the outbox knows the e-mails of a lead."""
    return f"lead:{lead_id}"


def confirmation(lead: LeadIn, *, lead_id: int) -> NewMessage:
    """Return the e-mail that tells the prospect that the details have arrived. Holds no address of this application."""
    safe_name = "" if _LINK_MARKS.intersection(lead.first_name) else lead.first_name
    return NewMessage(
        CONFIRMATION,
        correlation=correlation(lead_id),
        recipient=lead.email,
        sender_name="Alma",
        facts={"first_name": safe_name},
    )


def notification(
    lead: LeadIn,
    *,
    lead_id: int,
    attorney_email: str | None,
    file_name: str | None,
    earlier: list[tuple[int, str]],
) -> NewMessage:
    """Return the e-mail that tells the attorney, or the helpdesk when there is none, of a new lead.

    Args:
        lead: what was submitted.
        lead_id: its number.
        attorney_email: the active attorney who has this prospect.
        file_name: name of the uploaded file, if one was.
        earlier: (number, status) of the prospect's earlier leads, newest first.
    """
    return NewMessage(
        NOTIFICATION,
        correlation=correlation(lead_id),
        recipient=attorney_email,
        sender_name="Alma leads",
        facts={
            "lead_id": lead_id,
            "name": f"{lead.first_name} {lead.last_name}",
            "email": lead.email,
            "resume_label": file_name or web_link(lead.resume_url or "").host or "a link",
            "earlier": earlier,
            "assigned": attorney_email is not None,
        },
    )


def reminder(
    *,
    lead_id: int,
    name: str,
    email: str,
    received: str,
    due: str,
    recipient: str | None,
    away: str,
    escalated: bool,
) -> NewMessage:
    """Return the e-mail that reminds the attorney, or the helpdesk, of a lead that nobody has contacted in time.

    Args:
        lead_id: its number.
        name: the prospect's.
        email: the prospect's address.
        received: when it came in, in words.
        due: when its target was passed, in words.
        recipient: the attorney's address, or None for the helpdesk.
        away: name of the attorney in whose place the helpdesk gets it, or "".
        escalated: whether it has waited twice as long as the firm means to.
    """
    return NewMessage(
        REMINDER,
        correlation=correlation(lead_id),
        recipient=recipient,
        sender_name="Alma leads",
        facts={
            "lead_id": lead_id,
            "name": name,
            "email": email,
            "received": received,
            "due": due,
            "assigned": recipient is not None,
            "away": away,
            "escalated": escalated,
        },
    )


def digest(
    *,
    user_id: int,
    recipient: str,
    leads: tuple[tuple[int, str, str, bool], ...],
    count: str,
) -> NewMessage:
    """Return the morning's e-mail to an attorney about the leads that wait.

    Args:
        user_id: the attorney.
        recipient: the attorney's address.
        leads: (number, name, when it came in, whether it is overdue) of those that have waited longest.
        count: how many wait in all, as text.
    """
    return NewMessage(
        DIGEST,
        correlation=f"digest:{user_id}",
        recipient=recipient,
        sender_name="Alma leads",
        facts={"count": count, "leads": leads, "more": len(leads) < int(count.rstrip("+")), "single": count == "1"},
    )


def assigned(
    *,
    lead_id: int,
    name: str,
    email: str,
    several: bool,
    leads: tuple[tuple[int, str, str], ...],
    more: bool,
    by: str,
    attorney_id: int,
    recipient: str,
) -> NewMessage:
    """Return the e-mail that tells an attorney of prospects who were given to them.

    Args:
        lead_id: the newest lead of the prospect, or of all of them.
        name: that prospect's.
        email: that prospect's address.
        several: whether there is more than one prospect.
        leads: (number, name, when it came in) of those that wait, longest first.
        more: whether more wait than are named.
        by: who gave them.
        attorney_id: the attorney.
        recipient: the attorney's address.
    """
    return NewMessage(
        ASSIGNED,
        # One prospect's stands in the lead's timeline; one about several would stand in that of a lead among many.
        correlation=f"assigned:{attorney_id}" if several else correlation(lead_id),
        recipient=recipient,
        sender_name="Alma leads",
        facts={
            "lead_id": lead_id,
            "name": name,
            "email": email,
            "several": several,
            "leads": leads,
            "more": more,
            "by": by,
        },
    )

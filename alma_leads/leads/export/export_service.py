"""The use case of exporting leads. The audit log has it before the first lead leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alma_leads.accounts.core.models import User
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db, settings
from alma_leads.database.session import transaction
from alma_leads.database.transactions import reading_through
from alma_leads.file_formats.formats import Format
from alma_leads.leads.core.errors import TooManyForWorkbook
from alma_leads.leads.export.export import count_leads, stream_leads
from alma_leads.leads.listing.filters import LeadFilter

WORKBOOK_LEADS = 100_000


def export_leads(lead_filter: LeadFilter, *, kind: Format, actor: Actor) -> Iterator[bytes]:
    """Return the document of all leads of a filter, in chunks.

    The audit event is committed first, with the number of leads at that moment: a client that breaks off the download
    has received some of them. The event doesn't say what was searched for, since that is a prospect's name or address.

    Raises:
        TooManyForWorkbook: a workbook cannot have that many leads. Nothing was exported.
    """
    with reading_through(db.engine) as connection:
        count = count_leads(connection, lead_filter)
    if kind == "xlsx" and count > WORKBOOK_LEADS:
        raise TooManyForWorkbook(count, WORKBOOK_LEADS)
    with transaction() as session:
        attorney = session.get(User, lead_filter.attorney_id) if lead_filter.attorney_id else None
        trail.record(
            session,
            Action.LEADS_EXPORTED,
            actor=actor,
            subject="1 lead" if count == 1 else f"{count} leads",
            format=kind,
            count=count,
            **_described(lead_filter, attorney.name if attorney else None),
        )
    return stream_leads(db.engine, lead_filter, kind=kind, public_url=settings().PUBLIC_URL)


def _described(lead_filter: LeadFilter, attorney_name: str | None) -> dict[str, Any]:
    """Return what the audit log says of a filter."""
    chosen = {
        "status": lead_filter.status.value if lead_filter.status else None,
        "attorney": "none" if lead_filter.unassigned else attorney_name,
        "created_from": lead_filter.created_from,
        "created_to": lead_filter.created_to,
        "overdue": lead_filter.overdue_at is not None or None,
        "returning": lead_filter.returning or None,
        "mail_trouble": lead_filter.mail_trouble or None,
        "in_conflict": lead_filter.in_conflict or None,
        "searched": bool(lead_filter.query) or None,
        "searched_resumes": bool(lead_filter.resume_words) or None,
    }
    return {name: value for name, value in chosen.items() if value is not None}

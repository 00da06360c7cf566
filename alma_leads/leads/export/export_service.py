"""The use case of exporting leads: written down before the first of them leaves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

from sqlalchemy import Engine

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading_through, transaction_on
from alma_leads.extensions import db, settings
from alma_leads.file_formats.streaming import Format, Tally
from alma_leads.leads.export.export import count_leads, stream_leads
from alma_leads.leads.export.export_progress import Waiting, begin, tell
from alma_leads.leads.listing.filters import LeadFilter

TELL_EVERY_S = 2.0
_NAME = Sql("SELECT name FROM users WHERE id = :id")


def export_leads(
    lead_filter: LeadFilter, *, kind: Format, actor: Actor, waiting: Waiting | None = None
) -> Iterator[bytes]:
    """Return the document of all leads of a filter, in parts. Who is `waiting` for it can ask how far it is.

    The audit event is committed first, with the number of leads at that moment: whoever breaks the download off has
    had some of them. What was searched for is not written down, since that is a prospect's name or address.
    """
    with reading_through(db.engine) as connection:
        count = count_leads(connection, lead_filter)
        attorney = _NAME.row(connection, id=lead_filter.attorney_id) if lead_filter.attorney_id else None
    chosen: dict[str, Any] = {
        "status": lead_filter.status.value if lead_filter.status else None,
        "attorney": "none" if lead_filter.unassigned else attorney and attorney[0],
        "created_from": lead_filter.created_from,
        "created_to": lead_filter.created_to,
        "overdue": lead_filter.overdue_at is not None or None,
        "returning": lead_filter.returning or None,
        "mail_trouble": lead_filter.mail_trouble or None,
        "in_conflict": lead_filter.in_conflict or None,
        "searched": bool(lead_filter.query) or None,
        "searched_resumes": bool(lead_filter.resume_words) or None,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    with transaction_on(db.engine) as connection:
        trail.record(
            connection,
            Action.LEADS_EXPORTED,
            actor=actor,
            subject="1 lead" if count == 1 else f"{count} leads",
            format=kind,
            count=count,
            **given,
        )
        if waiting is not None:
            begin(connection, waiting, total=count)
    tally = Tally()
    parts = stream_leads(db.engine, lead_filter, kind=kind, public_url=settings().PUBLIC_URL, tally=tally)
    return parts if waiting is None else _told(db.engine, parts, tally, waiting)


def _told(engine: Engine, parts: Iterator[bytes], tally: Tally, waiting: Waiting) -> Iterator[bytes]:
    """Yield `parts`, and tell now and then how far they are; at the end too, and when whoever receives them is gone."""
    state: Literal["done", "broken"] = "broken"
    told = time.monotonic()
    try:
        for part in parts:
            yield part
            if time.monotonic() - told > TELL_EVERY_S:
                with transaction_on(engine) as connection:
                    tell(connection, waiting, sent=tally.rows, state="running")
                told = time.monotonic()
        state = "done"
    finally:
        with transaction_on(engine) as connection:
            tell(connection, waiting, sent=tally.rows, state=state)

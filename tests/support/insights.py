"""What tests of insights need: leads of any day, and what they come to when each is counted by hand."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import Any

from flask import Flask
from sqlalchemy import func, insert, select, update

from alma_leads.common.extensions import db
from alma_leads.insights.metrics import Metrics
from alma_leads.leads.core.models import Lead, Prospect
from alma_leads.leads.core.source import Source
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.first_contact.working_time import WorkingTime

ByDay = dict[tuple[date, str, str], Metrics]


def put_lead(app: Flask, at: datetime, **changes: Any) -> int:
    """Store a lead that came in at some moment, past every use case, and return its id.

    `changes` may give `email`, `attorney`, `source`, `key` and `reached`, a moment.
    """
    given = {"email": "p@example.com", "attorney": None, "source": "form", "key": None, "reached": None} | changes
    with app.app_context(), db.engine.begin() as connection:
        number: int = connection.execute(
            insert(Lead).returning(Lead.id),
            {
                "prospect_id": _prospect(connection, given["email"]),
                "first_name": "Sai",
                "last_name": "Maryada",
                "email": given["email"],
                "resume_url": "https://example.com/r",
                "status": LeadStatus.REACHED_OUT if given["reached"] else LeadStatus.PENDING,
                "attorney_id": given["attorney"],
                "content_hash": "x",
                "confirmation_queued": True,
                "search_text": "",
                "last_name_key": "",
                "created_at": at,
                "updated_at": at,
                "reached_out_at": given["reached"],
                "source": given["source"] and Source(given["source"]),
                "source_key_id": given["key"],
                "clock_version": -1,  # older than any settings
            },
        ).scalar_one()
    return number


def _prospect(connection: Any, email: str) -> int:
    found: int | None = connection.scalar(select(Prospect.id).where(Prospect.email == email))
    if found is None:
        found = connection.execute(insert(Prospect).returning(Prospect.id), {"email": email}).scalar_one()
    count = select(func.count()).select_from(Lead).where(Lead.prospect_id == found).scalar_subquery() + 1
    connection.execute(update(Prospect).where(Prospect.id == found).values(lead_count=count))
    return found


def merge(total: Metrics, other: Metrics) -> None:
    """Add the metrics of other leads to `total`."""
    total.number += other.number
    total.reached += other.reached
    total.returning += other.returning
    total.unmeasured += other.unmeasured
    total.minutes.update(other.minutes)


def by_hand(app: Flask, working: WorkingTime) -> ByDay:
    """Return what the leads come to, one by one, without the application's statements and short cuts.

    By day, and by what is counted: "all", "attorney" (by id) or "source" (with the id of a key).
    """
    found: defaultdict[tuple[date, str, str], Metrics] = defaultdict(Metrics)
    with app.app_context():
        leads = db.session.scalars(select(Lead).order_by(Lead.id)).all()
    known = set()
    for lead in leads:
        minutes = None
        if lead.reached_out_at is not None:
            minutes = int(working.between(lead.created_at, lead.reached_out_at).total_seconds()) // 60
        day, source = working.day_of(lead.created_at), lead.source or ""
        for subject in (
            ("all", ""),
            ("attorney", str(lead.attorney_id or 0)),
            ("source", f"{source}:{lead.source_key_id}" if lead.source_key_id else source),
        ):
            found[day, *subject].add({minutes: 1})
            found[day, *subject].returning += lead.prospect_id in known
        known.add(lead.prospect_id)
    return dict(found)

"""What tests of insights need: leads of any day, and what they come to when each is counted by hand."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import Any

from flask import Flask
from sqlalchemy import text

from alma_leads.database.base import from_stamp, to_stamp
from alma_leads.database.transactions import reading
from alma_leads.extensions import db
from alma_leads.insights import tallies
from alma_leads.insights.counting import Figures
from alma_leads.insights.spread import Spread
from alma_leads.leads.first_contact.working_time import WorkingTime

ByDay = dict[tuple[date, str, str], Figures]

_PROSPECT = """
    INSERT INTO prospects (email, lead_count) VALUES (:email, 1)
    ON CONFLICT (email) DO UPDATE SET lead_count = prospects.lead_count + 1 RETURNING id
"""
_LEAD = """
    INSERT INTO leads (prospect_id, first_name, last_name, email, resume_url, status, attorney_id, content_hash,
                       confirmation_queued, search_text, last_name_key, created_at, updated_at, reached_out_at,
                       source, source_key_id)
    VALUES (:prospect, 'Sai', 'Maryada', :email, 'https://example.com/r', :status, :attorney, 'x', TRUE, '', '',
            :at, :at, :reached, :source, :key) RETURNING id
"""


def put_lead(app: Flask, at: datetime, **changes: Any) -> int:
    """Store a lead that came in at some moment, past every use case, and return its number.

    `changes` may give `email`, `attorney`, `source`, `key` and `reached`, a moment.
    """
    reached = changes.get("reached")
    values = {"email": "p@example.com", "attorney": None, "source": "form", "key": None} | changes
    values |= {"at": to_stamp(at), "reached": reached and to_stamp(reached)}
    values["status"] = "REACHED_OUT" if reached else "PENDING"
    with app.app_context(), db.engine.begin() as connection:
        prospect = connection.execute(text(_PROSPECT), values).scalar_one()
        number: int = connection.execute(text(_LEAD), values | {"prospect": prospect}).scalar_one()
    return number


def stored(app: Flask, span: tallies.Span = "day") -> ByDay:
    """Return all that is counted."""
    with app.app_context(), reading(db.engine) as connection:
        rows = list(tallies.read(connection, span, date(1900, 1, 1), date(2900, 1, 1)))
    return {(row.day, row.facet, row.subject): row.figures for row in rows}


def by_hand(app: Flask, working: WorkingTime) -> ByDay:
    """Return the same of the leads, one by one, without the application's statements and short cuts."""
    found: defaultdict[tuple[date, str, str], Figures] = defaultdict(Figures)
    query = "SELECT prospect_id, attorney_id, source, source_key_id, created_at, reached_out_at FROM leads ORDER BY id"
    with app.app_context(), db.engine.connect() as connection:
        rows = connection.execute(text(query)).all()
    known = set()
    for prospect, attorney, source, key, at, reached in rows:
        received, took = from_stamp(at), []
        if reached is not None:
            took = [working.between(received, from_stamp(reached)).total_seconds()]
        one = Figures(1, len(took), int(prospect in known), Spread.of(took))
        known.add(prospect)
        day = working.day_of(received)
        found[day, "all", ""].add(one)
        found[day, "attorney", str(attorney or 0)].add(one)
        found[day, "source", f"{source}:{key}" if key else source or ""].add(Figures(1, len(took), one.came_back))
    return dict(found)

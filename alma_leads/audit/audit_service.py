"""Export the audit log, which records its own exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime

from alma_leads.audit import audit_log, trail
from alma_leads.audit.audit_log import LogFilter
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.session import transaction
from alma_leads.file_formats.formats import TextFormat


def export_log(wanted: LogFilter, *, kind: TextFormat, actor: Actor) -> Iterator[bytes]:
    """Return a document with all events of a filter, in chunks.

    The event of the export itself, with the number of events, is committed first. It is not among them.
    """
    now = utc_now()
    so_far = replace(wanted, until=min(wanted.until or now, now))
    count = audit_log.count_events(db.session(), so_far)
    with transaction() as session:
        trail.record(
            session,
            Action.AUDIT_EXPORTED,
            actor=actor,
            subject="1 event" if count == 1 else f"{count} events",
            format=kind,
            count=count,
            filter={name: _as_json(value) for name, value in asdict(wanted).items() if value is not None},
        )
    return audit_log.export_events(db.engine, so_far, kind=kind)


def _as_json(value: str | int | datetime) -> str | int:
    return to_stamp(value) if isinstance(value, datetime) else value

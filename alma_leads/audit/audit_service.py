"""The use case of exporting the audit log, which is itself written down in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

from alma_leads.actor import Actor
from alma_leads.audit import audit_log, trail
from alma_leads.audit.audit_log import LogFilter
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.transactions import reading_through, transaction_on
from alma_leads.extensions import db
from alma_leads.file_formats.streaming import Format


def export_log(wanted: LogFilter, *, kind: Format, actor: Actor) -> Iterator[bytes]:
    """Return the document of all events that are `wanted`, in parts.

    The export's own event is committed first, with how many they are; it is not among them.
    """
    now = to_stamp(utc_now())
    so_far = replace(wanted, until=min(wanted.until or now, now))
    with reading_through(db.engine) as connection:
        count = audit_log.count(connection, so_far)
    given = {name: value for name, value in asdict(wanted).items() if value is not None}
    with transaction_on(db.engine) as connection:
        said = "1 event" if count == 1 else f"{count} events"
        trail.record(
            connection, Action.AUDIT_EXPORTED, actor=actor, subject=said, format=kind, count=count, filter=given
        )
    return audit_log.stream_log(db.engine, so_far, kind=kind)

"""Use cases of the first contact clock: setting it, and giving the leads that wait the moments of the new settings."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import orjson

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import from_stamp, to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db
from alma_leads.leads.first_contact import first_contact
from alma_leads.leads.first_contact.first_contact import FirstContact

BATCH = 500  # a write transaction of this many is over before anyone notices the wait
RECALCULATE_FOR_S = 30.0  # a sweep has other things to do; the next one goes on

_SET = Sql("""
    UPDATE first_contact_clock
    SET version = version + 1, time_zone = :time_zone, weekdays = :weekdays, opens_minute = :opens,
        closes_minute = :closes, country = :country, subdivision = :subdivision, closed_days = :closed_days,
        target_minutes = :target, amber_minutes = :amber
""")
_STALE = Sql("""
    SELECT id, created_at FROM leads WHERE status = 'PENDING' AND clock_version < :version
    ORDER BY clock_version, id LIMIT :limit
""")
_COUNT_STALE = Sql("SELECT count(*) FROM leads WHERE status = 'PENDING' AND clock_version < :version")

# What is past when the settings change is marked in the list, and not written about: a new target would otherwise
# send an e-mail for each lead that ever waited. A reminder that was due under the old settings still goes out.
_REMINDERS = """
    CASE WHEN reminders = 2 OR remind_at <= :now THEN reminders
         WHEN {twice} <= :now THEN 2
         WHEN {due} <= :now THEN 1
         ELSE reminders END"""
_REMIND_AT = """
    CASE WHEN reminders = 2 OR {due} IS NULL THEN NULL
         WHEN remind_at <= :now THEN remind_at
         WHEN {twice} <= :now THEN NULL
         WHEN reminders = 1 OR {due} <= :now THEN {twice}
         ELSE {due} END"""
_GIVE = f"""
    UPDATE leads SET clock_version = :version, amber_at = {{amber}}, due_at = {{due}}, reminders = {_REMINDERS},
           remind_at = {_REMIND_AT}"""
# Leads that somebody is changing this moment are passed over, and found again: so nobody waits here for anybody who
# waits for us. `status` and `clock_version` are looked at again, since the moments were worked out beforehand.
# The plus signs keep SQLite from walking all that are stale for each of the batch, as it would without statistics.
_GIVE_MOMENTS = Sql(
    sqlite=_GIVE.format(
        amber="json_extract(m.value, '$[1]')",
        due="json_extract(m.value, '$[2]')",
        twice="json_extract(m.value, '$[3]')",
    )
    + """
    FROM json_each(:moments) m
    WHERE leads.id = json_extract(m.value, '$[0]') AND +status = 'PENDING' AND +clock_version < :version""",
    postgresql="""
    WITH held AS MATERIALIZED (
        SELECT l.id AS held_id, m.amber_at, m.due_at, m.twice_at
        FROM json_to_recordset(:moments) AS m (id integer, amber_at timestamptz, due_at timestamptz,
                                               twice_at timestamptz)
        JOIN leads l ON l.id = m.id WHERE l.status = 'PENDING' AND l.clock_version < :version
        ORDER BY l.id FOR UPDATE OF l SKIP LOCKED)
    """
    + _GIVE.format(amber="held.amber_at", due="held.due_at", twice="held.twice_at")
    + """
    FROM held WHERE leads.id = held.held_id""",
)


def present_settings() -> FirstContact:
    """Return how the firm has set its clock."""
    with reading(db.engine) as connection:
        return first_contact.read(connection)


def leads_to_recalculate() -> int:
    """Return how many waiting leads do not have the moments of the present settings yet."""
    with reading(db.engine) as connection:
        row = _COUNT_STALE.row(connection, version=first_contact.read(connection).version)
    return 0 if row is None else int(row[0])


def change_settings(wanted: FirstContact, *, actor: Actor) -> bool:
    """Set the clock, and say whether that changed anything. Leads that wait follow with the worker's next sweep."""
    with transaction_on(db.engine) as connection:
        old, new = _row(first_contact.read(connection)), _row(wanted)
        if old == new:
            return False
        _SET.run(connection, **new)
        changes = {name: {"old": old[name], "new": new[name]} for name in new if old[name] != new[name]}
        trail.record(connection, Action.FIRST_CONTACT_SET, actor=actor, subject="first contact", **changes)
    return True


def _row(wanted: FirstContact) -> dict[str, object]:
    """Return the settings as they are kept, and as the audit log tells of them."""
    working = wanted.working
    return {
        "time_zone": working.zone.key,
        "weekdays": "".join(map(str, sorted(working.weekdays))),
        "opens": working.opens,
        "closes": working.closes,
        "country": working.country,
        "subdivision": working.subdivision,
        "closed_days": "\n".join(day.isoformat() for day in sorted(working.closed_days)),
        "target": _minutes(wanted.target),
        "amber": _minutes(wanted.amber),
    }


def _minutes(amount: timedelta | None) -> int | None:
    return None if amount is None else int(amount.total_seconds()) // 60


def recalculate() -> int:
    """Give waiting leads the moments of the present settings, in batches; return how many got them.

    Each batch is a transaction, and leads that still have an older version say so themselves. So it does not matter
    when this is cut short, how many do it at once, or that a lead came in meanwhile under the old settings.
    """
    done, until = 0, time.monotonic() + RECALCULATE_FOR_S
    while time.monotonic() < until:
        given = _recalculate_batch()
        done += given
        if not given:
            break
    return done


def _recalculate_batch() -> int:
    with reading(db.engine) as connection:
        settings = first_contact.read(connection)
        stale = _STALE.rows(connection, version=settings.version, limit=BATCH)
    if not stale:
        return 0
    now = to_stamp(utc_now())
    postgresql = db.engine.dialect.name == "postgresql"
    moments = [_moments(settings, lead_id, from_stamp(received), named=postgresql) for lead_id, received in stale]
    with transaction_on(db.engine) as connection:
        return _GIVE_MOMENTS.run(connection, moments=orjson.dumps(moments).decode(), version=settings.version, now=now)


def _moments(
    settings: FirstContact, lead_id: int, received: datetime, *, named: bool
) -> list[object] | dict[str, object]:
    found = settings.moments(received)
    values = [lead_id, *(map(to_stamp, found) if found else (None, None, None))]
    return dict(zip(("id", "amber_at", "due_at", "twice_at"), values, strict=True)) if named else values

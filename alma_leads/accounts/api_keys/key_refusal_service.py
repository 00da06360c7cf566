"""The use case of noting that a key was refused: so that it is seen, but a flood of them does not fill the log."""

from __future__ import annotations

from datetime import timedelta

from alma_leads.accounts.api_keys import keys
from alma_leads.actor import stranger
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db

# The same key from the same address is noted once in this time, and one key (or all unknown ones together) at most
# this often in an hour, from however many addresses.
EVERY = timedelta(minutes=15)
MOST_IN_AN_HOUR = 20
UNKNOWN = "an unknown key"
WHY = {"revoked": "it was revoked", "ended": "it has ended", "working": "not from this address"}

_NOTED = Sql("""
    SELECT count(*), count(CASE WHEN actor_address = :address AND at > :since THEN 1 END) FROM (
        SELECT actor_address, at FROM audit_events WHERE action = :action AND at > :hour_ago AND subject = :subject
        ORDER BY at DESC LIMIT :most
    ) AS last_hour
""")


def note_refused_key(key: str, *, address: str) -> bool:
    """Write into the audit log that a key was refused, unless that was done a short while ago; say whether it was.

    An administrator reads which key it was where there is or was one: a key that was revoked and is still used, or
    that works and is used from elsewhere, has been left somewhere or taken. Of any other nothing is kept.
    """
    now = utc_now()
    with reading(db.engine) as connection:
        found = keys.by_secret(connection, key, now=now) if keys.looks_like_one(key) else None
        subject = f"script: {found.name}" if found else UNKNOWN
        noted, noted_here = _NOTED.rows(
            connection,
            action=Action.KEY_REFUSED.value,
            address=address,
            subject=subject,
            since=to_stamp(now - EVERY),
            hour_ago=to_stamp(now - timedelta(hours=1)),
            most=MOST_IN_AN_HOUR,
        )[0]
    if noted_here or noted >= MOST_IN_AN_HOUR:
        return False
    about = {"key": found.id, "why": WHY[found.state]} if found else {}
    with transaction_on(db.engine) as connection:
        trail.record(connection, Action.KEY_REFUSED, actor=stranger(address), subject=subject, **about)
    return True

"""Deleting what is over: sessions, links, attempts, challenges, sign-ins that never came back."""

from __future__ import annotations

from alma_leads.accounts import challenges, links, sessions, sso_requests, throttle
from alma_leads.accounts.session_service import session_lifetime
from alma_leads.database import transaction, utc_now
from alma_leads.extensions import db


def forget_expired() -> int:
    """Delete what is over, and return how many rows there were."""
    now = utc_now()
    with transaction(db.engine) as connection:
        gone = sessions.forget(connection, lifetime=session_lifetime(), now=now)
        gone += links.forget(connection, now=now) + throttle.forget(connection, now=now)
        gone += sso_requests.forget(connection, now=now)
        return gone + challenges.forget(connection, now=now)

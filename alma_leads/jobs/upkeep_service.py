"""Delete what has expired: sessions, links, sign-in attempts, challenges, and sign-ins that never returned."""

from __future__ import annotations

from alma_leads.accounts.core import links, sessions
from alma_leads.accounts.core.session_service import session_lifetime
from alma_leads.accounts.second_factor import challenges
from alma_leads.accounts.sign_in import throttle
from alma_leads.accounts.sso import sso_requests
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.outbox.queue import purge_secrets


def purge_expired() -> int:
    """Delete what has expired, and return how many rows there were."""
    now = utc_now()
    with transaction() as session:
        purge_secrets(session)
        count = sessions.purge_expired_sessions(session, lifetime=session_lifetime(), now=now)
        count += links.purge_expired_links(session, now=now) + throttle.purge_expired_attempts(session, now=now)
        count += sso_requests.purge_expired_requests(session, now=now)
        return count + challenges.purge_expired_challenges(session, now=now)

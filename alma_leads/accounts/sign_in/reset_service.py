"""The use case of a forgotten password: someone who is not signed in asks for a link."""

from __future__ import annotations

import time
from datetime import timedelta

from alma_leads.accounts.core import emails, users
from alma_leads.accounts.core.emails import PASSWORD_RESET, correlation
from alma_leads.accounts.core.models import LinkPurpose
from alma_leads.accounts.core.users import lock_user
from alma_leads.accounts.sign_in import throttle
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import stranger
from alma_leads.common.email_address import normalise_email
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction
from alma_leads.outbox.queries import count_since

# So that the form cannot be used to flood an inbox.
PER_DAY = 5
# Every answer takes so long, whether there was something to do or not. The work takes a tenth of it.
ANSWER_AFTER_S = 0.25


def request_reset(email: str, *, address: str) -> None:
    """Enqueue the email with a link for a new password, if there is an account that needs one.

    Nothing tells the caller whether there is, and it takes the same time.

    Args:
        email: as typed.
        address: network address of the browser.

    Raises:
        BadEmailAddress: it cannot be an address.
        TooManyAttempts: too many asked for this account, or from this address.
    """
    began = time.monotonic()
    normalised = normalise_email(email)
    with transaction() as session:
        # Counted apart from the sign-ins of the account: a user who failed five of them needs this.
        account = throttle.account_key(f"reset {throttle.account_key(normalised)}")
        throttle.count_attempt(session, account=account, address=address, now=utc_now())
    _send(normalised, address)
    time.sleep(max(0.0, began + ANSWER_AFTER_S - time.monotonic()))


def _send(email: str, address: str) -> None:
    with transaction() as session:
        user = users.find_user_by_email(session, email)
        # An account without a password gets no second way in through the inbox: an administrator can open one.
        if user is None or not user.active or (user.is_activated and user.password is None):
            return
        lock_user(session, user.id)
        since = utc_now() - timedelta(days=1)
        sent = count_since(session.connection(), correlation=correlation(user.id), kind=PASSWORD_RESET, since=since)
        if sent >= PER_DAY:
            return
        emails.send_link(session, LinkPurpose.RESET, user_id=user.id, recipient=user.email)
        trail.record(session, Action.RESET_LINK_SENT, actor=stranger(address), subject=user.name)

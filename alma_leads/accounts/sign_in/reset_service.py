"""The use case of a forgotten password: someone who is not signed in asks for a link."""

from __future__ import annotations

import time
from datetime import timedelta

from alma_leads.accounts.core import emails
from alma_leads.accounts.core.emails import PASSWORD_RESET, correlation
from alma_leads.accounts.core.models import LinkPurpose
from alma_leads.accounts.core.people import CAN_SIGN_IN, hold
from alma_leads.accounts.sign_in import throttle
from alma_leads.actor import stranger
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.raw import Sql
from alma_leads.database.transactions import transaction_on
from alma_leads.email_address import normalise_email
from alma_leads.extensions import db
from alma_leads.outbox.queries import count_since

# So that the form cannot be used to flood an inbox.
PER_DAY = 5
# Every answer takes so long, whether there was something to do or not. The work takes a tenth of it.
ANSWER_AFTER_S = 0.25

# Who comes in by other means only gets no second door by way of the inbox: an administrator can open one.
_WHO = Sql(f"""
    SELECT u.id, u.name, u.email FROM users u
    WHERE u.email = :email AND u.active AND (u.password IS NOT NULL OR NOT {CAN_SIGN_IN})
""")


def ask_for_reset(email: str, *, address: str) -> None:
    """Promise the e-mail with a link for a new password, if there is an account that needs one.

    Nothing tells the caller whether there is, and it takes the same time.

    Args:
        email: as typed.
        address: network address of whoever asks.

    Raises:
        BadEmailAddress: it cannot be an address at all.
        TooManyAttempts: too many asked for this account, or from this address.
    """
    began = time.monotonic()
    normalised = normalise_email(email)
    with transaction_on(db.engine) as connection:
        # Apart from the sign-ins of the account: who failed five of them needs this.
        account = throttle.account_key(f"reset {throttle.account_key(normalised)}")
        throttle.begin(connection, account=account, address=address, now=utc_now())
    _send(normalised, address)
    time.sleep(max(0.0, began + ANSWER_AFTER_S - time.monotonic()))


def _send(email: str, address: str) -> None:
    with transaction_on(db.engine) as connection:
        row = _WHO.row(connection, email=email)
        if row is None:
            return
        user_id, name, recipient = row
        hold(connection, user_id)
        since = to_stamp(utc_now() - timedelta(days=1))
        if count_since(connection, correlation=correlation(user_id), kind=PASSWORD_RESET, since=since) >= PER_DAY:
            return
        emails.send_link(connection, LinkPurpose.RESET, user_id=user_id, recipient=recipient)
        trail.record(connection, Action.RESET_LINK_SENT, actor=stranger(address), subject=name)

"""What tests of second factors need: an app like the one on a phone, and people who have one."""

from __future__ import annotations

import base64
import time
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from flask import Flask

from alma_leads.accounts.core.models import Authenticator
from alma_leads.accounts.second_factor import authenticators, recovery
from alma_leads.common.actor import OPERATOR
from alma_leads.database.base import utc_now
from alma_leads.database.session import transaction


class Phone:
    """An authenticator app, as RFC 6238 describes it; it knows nothing but the secret that was typed into it."""

    def __init__(self, typed: str) -> None:
        self._totp = TOTP(base64.b32decode(typed.replace(" ", "")), 6, hashes.SHA1(), 30)

    def code(self, *, later: int = 0) -> str:
        """Return the code it shows now, or some steps of 30 seconds later."""
        return self._totp.generate(int(time.time()) + 30 * later).decode()


class Enrolled(NamedTuple):
    """What someone has who has set up an app: the phone, and the recovery codes."""

    phone: Phone
    codes: list[str]


def enrol(app: Flask, person_id: int) -> Enrolled:
    """Give someone an app and recovery codes; no code of it was used yet."""
    with app.app_context(), transaction() as session:
        setup_id = authenticators.begin_setup(session, person_id, now=utc_now())
        setup = authenticators.find_setup(session, setup_id, user_id=person_id, email="x@alma.example")
        assert setup
        phone = Phone(setup.secret)
        taken = phone.code(later=-1)
        assert authenticators.confirm_setup(session, setup_id, user_id=person_id, typed=taken, now=utc_now())
        return Enrolled(phone, recovery.create_codes(session, person_id, actor=OPERATOR))


def add_app(app: Flask, user_id: int) -> None:
    """Give a user an app that nobody has the secret of."""
    with app.app_context(), transaction() as session:
        session.add(Authenticator(user_id=user_id, secret="x", created_at=utc_now(), confirmed_at=utc_now()))

"""The way in and out: signing in step by step, and the pages behind one-time links."""

from alma_leads.web.sign_in import (
    email_page,
    forgotten_page,
    one_time_pages,
    passkey_page,
    password_page,
    second_step,
    sso_pages,
)
from alma_leads.web.sign_in.blueprint import sign_in

__all__ = [
    "email_page",
    "forgotten_page",
    "one_time_pages",
    "passkey_page",
    "password_page",
    "second_step",
    "sign_in",
    "sso_pages",
]

"""Whether people may have passwords here at all: a firm may leave that to its identity provider."""

from __future__ import annotations

from alma_leads.accounts.core.errors import PasswordsOff
from alma_leads.common.extensions import settings


def passwords_are_on() -> bool:
    """Say whether people sign in by password."""
    return settings().PASSWORD_SIGN_IN == "on"  # noqa: S105 -- a setting, not a secret


def need_passwords() -> None:
    """Refuse what is done with a password where there are none.

    Raises:
        PasswordsOff: there are none.
    """
    if not passwords_are_on():
        raise PasswordsOff

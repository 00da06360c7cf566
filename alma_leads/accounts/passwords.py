"""Which passwords are accepted: long ones that nobody would guess first (NIST SP 800-63B, 3.1.1.2)."""

from __future__ import annotations

from zxcvbn import zxcvbn

from alma_leads.accounts.errors import WeakPassword

MIN_LENGTH = 12
MAX_LENGTH = 256
# zxcvbn: 0 and 1 are "risky" and "protection only from throttled online attacks".
GUESSABLE = 1
LOOKED_AT = 72  # its work grows with the square of the length


def check_password(password: str) -> None:
    """Refuse a password that is too short, too long or too common. Asks for no kinds of characters.

    Raises:
        WeakPassword: says why.
    """
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"Choose a password of at least {MIN_LENGTH} characters")
    if len(password) > MAX_LENGTH or "\0" in password:
        raise WeakPassword(f"Choose a password of at most {MAX_LENGTH} characters")
    if zxcvbn(password[:LOOKED_AT])["score"] <= GUESSABLE:
        raise WeakPassword(
            "Choose a password that is harder to guess, like four words that have nothing to do with each other"
        )

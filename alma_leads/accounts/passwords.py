"""Which passwords are accepted: long ones that nobody would guess first (NIST SP 800-63B, 3.1.1.2)."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from zxcvbn import zxcvbn

from alma_leads.accounts.errors import WeakPassword

MIN_LENGTH = 12
MAX_LENGTH = 256
# A keyboard may send "é" as one character or as two; both must open the door. Flask-Security is told the same.
NORMAL_FORM: Final = "NFKC"
# zxcvbn: 0 and 1 are "risky" and "protection only from throttled online attacks".
GUESSABLE = 1
LOOKED_AT = 72  # its work grows with the square of the length


def normalise_password(password: str) -> str:
    """Return the form in which a password is hashed and compared."""
    return unicodedata.normalize(NORMAL_FORM, password)


def check_password(typed: str, *, about: Sequence[str] = ()) -> str:
    """Return a password normalised, if it can be used. Asks for no kinds of characters.

    Args:
        typed: as it was typed.
        about: what anyone would try first for this person, such as the e-mail address.

    Raises:
        WeakPassword: it is too short, too long or too easily guessed; says which.
    """
    password = normalise_password(typed)
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"Choose a password of at least {MIN_LENGTH} characters")
    if "\0" in password or not _encodable(password):
        raise WeakPassword("Choose a password of characters that can be typed")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"Choose a password of at most {MAX_LENGTH} characters")
    if zxcvbn(password[:LOOKED_AT], user_inputs=["alma", *about])["score"] <= GUESSABLE:
        raise WeakPassword(
            "Choose a password that is harder to guess, like four words that have nothing to do with each other"
        )
    return password


def _encodable(password: str) -> bool:
    # JSON can carry half of a surrogate pair, which no hash takes.
    return not any("\ud800" <= character <= "\udfff" for character in password)

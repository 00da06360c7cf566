"""Passwords: which are accepted (long and not guessed first: NIST SP 800-63B, 3.1.1.2), and their hashes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from alma_leads.accounts.core.errors import WeakPassword
from alma_leads.common.text import EXPANSION, MAX_MARKS, TextTooLong, TooManyMarks, UnfitText, normalise

MIN_LENGTH = 12
MAX_LENGTH = 256
# A keyboard may send "é" as one character or as two; both must open the door.
NORMAL_FORM: Final = "NFKC"
# zxcvbn: 0 and 1 are "risky" and "protection only from throttled online attacks".
GUESSABLE = 1
LOOKED_AT = 72  # its work grows with the square of the length
# It tries all combinations of what these may stand for ("p4ssw0rd"). With all of them in 72 characters that takes 2 s;
# with seven, or in 24 characters, at most 0.35 s.
STAND_INS: Final = frozenset("0123456789@({[<!|$+%")
MAX_STAND_INS = 7
LOOKED_AT_WITH_MORE = 24

_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106, 4: 64 MiB, 3 passes, 4 lanes
# One hash keeps all cores busy for some 100 ms. Several at once take as long in all, and make everyone else wait.
_ONE_AT_A_TIME = threading.Semaphore(1)
# Compared with where there is no password, so that an account that does not exist takes the same time. Nobody knows
# what it is the hash of: it was random.
NOBODYS_HASH = "$argon2id$v=19$m=65536,t=3,p=4$pshfSXg3pK9bdzOE+fvlpA$5PgVs27BTh2+iNb9ioksdaIAvRRRdxJHhQGp5rg/KGs"


def normalise_password(password: str) -> str:
    """Return the form in which a password is hashed and compared.

    Raises:
        UnfitText: no password that was accepted looks like this.
    """
    normalised = normalise(password, NORMAL_FORM, at_most=EXPANSION * MAX_LENGTH)
    if len(normalised) > MAX_LENGTH:
        raise TextTooLong(f"The password has more than {MAX_LENGTH} characters.")
    return normalised


def check_password(typed: str, *, about: Sequence[str] = ()) -> str:
    """Return a password normalised, if it can be used. Asks for no kinds of characters.

    Args:
        typed: as it was typed.
        about: what anyone would try first for this person, such as the e-mail address.

    Raises:
        WeakPassword: it is too short, too long or too easily guessed; says which.
    """
    try:
        password = normalise_password(typed)
    except TextTooLong as too_long:
        raise WeakPassword(f"Choose a password of at most {MAX_LENGTH} characters") from too_long
    except TooManyMarks as too_many:
        raise WeakPassword(f"Choose a password with at most {MAX_MARKS} accents on a letter") from too_many
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"Choose a password of at least {MIN_LENGTH} characters")
    if "\0" in password or not _encodable(password):
        raise WeakPassword("Choose a password of characters that can be typed")
    looked_at = LOOKED_AT if len(STAND_INS.intersection(password)) <= MAX_STAND_INS else LOOKED_AT_WITH_MORE
    if zxcvbn(password[:looked_at], user_inputs=["alma", *about])["score"] <= GUESSABLE:
        raise WeakPassword(
            "Choose a password that is harder to guess, like four words that have nothing to do with each other"
        )
    return password


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password that `check_password` has returned. Takes about 100 ms."""
    with _ONE_AT_A_TIME:
        return _HASHER.hash(password)


def verify_password(typed: str, hashed: str | None) -> bool:
    """Say whether `typed` is the password with this hash. Without a hash: no, after the same time.

    What no password can be is wrong at once, whoever's it is.
    """
    try:
        # What was typed may hold half of a surrogate pair, which no hash takes.
        password = normalise_password(typed).encode("utf-8", "replace")
    except UnfitText:
        return False
    try:
        with _ONE_AT_A_TIME:
            return _HASHER.verify(hashed or NOBODYS_HASH, password) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(hashed: str) -> bool:
    """Say whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(hashed)


def _encodable(password: str) -> bool:
    # JSON can carry half of a surrogate pair, which no hash takes.
    return not any("\ud800" <= character <= "\udfff" for character in password)

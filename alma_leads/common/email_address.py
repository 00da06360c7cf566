"""E-mail addresses: which are accepted, and the normalised form by which two are the same."""

from __future__ import annotations

from functools import lru_cache

import email_validator
from email_validator import EmailNotValidError, validate_email

from alma_leads.common.text import strip_invisible

MAX_LENGTH = 254
MAX_LOCAL_LENGTH = 64
_MAX_TYPED = 4 * MAX_LENGTH  # with what is invisible at its ends
_AT_SIGNS = str.maketrans("＠﹫", "@@")  # as Japanese and Chinese keyboards type it

# Private networks do receive mail at `.local`; this list is meant to be edited (see the library's README).
email_validator.SPECIAL_USE_DOMAIN_NAMES.remove("local")


class BadEmailAddress(ValueError):
    """The text is not an address that mail can be sent to."""


def tidy_email(typed: str) -> str:
    """Return an address as it is kept: without what is invisible at its ends, a full-width ＠ read as @.

    Raises:
        BadEmailAddress: it is longer than 254 characters (RFC 5321). Nothing costly was done.
    """
    typed = typed.strip()
    if len(typed) <= _MAX_TYPED:
        typed = strip_invisible(typed)
    if len(typed) > MAX_LENGTH:
        raise BadEmailAddress("The address is longer than 254 characters.")
    return typed.translate(_AT_SIGNS)


def normalise_email(text: str) -> str:
    """Return the form by which addresses are compared: IDNA domain, everything case-folded.

    Local parts are ASCII, without quotes; domains may be international and need a dot. What `tidy_email` does is done.

    Raises:
        BadEmailAddress: no mail can be sent to it, or it is longer than 254 characters (RFC 5321).
    """
    return _normalised(tidy_email(text))


@lru_cache(maxsize=256)  # a submission asks several times for the same one
def _normalised(text: str) -> str:
    try:
        found = validate_email(
            text, check_deliverability=False, allow_smtputf8=False, allow_quoted_local=False, test_environment=True
        )
    except EmailNotValidError as error:
        raise BadEmailAddress(str(error)) from error
    domain = found.ascii_domain
    if len(found.local_part) > MAX_LOCAL_LENGTH:
        raise BadEmailAddress("The part before the @ is longer than 64 characters.")
    if len(found.local_part) + 1 + len(domain) > MAX_LENGTH:
        raise BadEmailAddress("The address is longer than 254 characters.")
    return f"{found.local_part}@{domain}".casefold()

"""The short message about what was just done: shown at once by a script, or on the next page after a 303."""

from __future__ import annotations

from typing import NamedTuple

import orjson
from cryptography.fernet import InvalidToken
from flask import flash, get_flashed_messages

from alma_leads.common.secret_key import fernet

_CATEGORY = "toast"
_KEY_IS_FOR = b"alma-leads toasts"
# The page after a 303 comes at once. A cookie that somebody kept shows nothing later.
_LIFETIME_S = 600


class Toast(NamedTuple):
    """A sentence, where there is a useful next step a link, and a picture: a tick says that something was done."""

    text: str
    href: str = ""
    label: str = ""
    icon: str = "check"


def keep_toast(toast: Toast) -> None:
    """Show the toast on the next page.

    It names prospects, and the browser's cookie is signed but not secret: so it is encrypted there.
    """
    flash(fernet(_KEY_IS_FOR).encrypt(orjson.dumps(list(toast))).decode(), _CATEGORY)


def kept_toasts() -> list[Toast]:
    """Return the toasts that the page before has kept, oldest first."""
    found = []
    for sealed in get_flashed_messages(category_filter=(_CATEGORY,)):
        try:
            found.append(Toast(*orjson.loads(fernet(_KEY_IS_FOR).decrypt(str(sealed), ttl=_LIFETIME_S))))
        except (InvalidToken, TypeError):  # too old, or kept by another version or with another SECRET_KEY
            continue
    return found

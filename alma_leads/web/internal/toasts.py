"""The short message about what was just done: shown at once by a script, or on the next page after a 303."""

from __future__ import annotations

from typing import NamedTuple

from flask import flash


class Toast(NamedTuple):
    """A sentence, where there is a useful next step a link, and a picture: a tick says that something was done."""

    text: str
    href: str = ""
    label: str = ""
    icon: str = "check"


def keep_toast(toast: Toast) -> None:
    """Show the toast on the next page: `layout/desk.html` reads category "toast"."""
    flash(list(toast), "toast")  # type: ignore[arg-type]  # a session holds JSON; a plain string could carry no link

"""What people read when something fails: one entry for each status."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """A page's words: what happened, what to do, and the one way on."""

    heading: str
    sentences: tuple[str, ...]
    action_label: str = "Back to the form"
    action_href: str = "/"
    footer: str = "Nothing was changed."


_TO_LEADS = {"action_label": "Back to leads", "action_href": "/internal/leads"}
_WORDS = {
    400: ErrorWords(
        "That did not go through.",
        (
            "The page may have been open for too long, or your browser keeps no cookies. "
            "Go back, load the page again, and try once more.",
        ),
    ),
    401: ErrorWords("Sign in first.", ("This page is for people at Alma.",), "Sign in", "/login"),
    403: ErrorWords(
        "You cannot open this page.",
        ("Your account does not allow it. If you need it, ask an administrator at Alma.",),
        **_TO_LEADS,
    ),
    404: ErrorWords("There is nothing here.", ("The address may be mistyped, or what was here has gone.",)),
    405: ErrorWords("This page cannot do that.", ("Go back and use the buttons on the page.",)),
    409: ErrorWords(
        "That is not possible now.",
        ("Someone may have changed it meanwhile. Go back and load the page again.",),
        **_TO_LEADS,
    ),
    413: ErrorWords(
        "That is too large.",
        (
            "Choose a smaller file, or give a link instead. "
            "What you typed is still in your browser: go back to find it.",
        ),
    ),
    415: ErrorWords("That kind of content cannot be read here.", ("Go back and send it with the form on the page.",)),
    422: ErrorWords("Some of that cannot be used.", ("Go back, check what you gave, and send again.",)),
    429: ErrorWords("One moment.", ("We had many requests from your connection at once.",), footer="Nothing was lost."),
    500: ErrorWords(
        "Something broke on our side.",
        ("It is not your fault. What you sent just now was not saved. Try again in a few minutes.",),
        action_label="Try again",
        footer="We have a record of what happened.",
    ),
    507: ErrorWords(
        "We can't take files at the moment.",
        ("Go back and give a link to your resume instead.",),
        footer="Nothing was lost.",
    ),
    503: ErrorWords(
        "We can't do that right now.",
        ("Part of our system isn't answering. It's not your fault.",),
        action_label="Try again",
        footer="We have a record of what happened.",
    ),
}


# A body that is torn, or not in UTF-8: no browser sends one by itself.
UNREADABLE = ErrorWords(
    "We couldn't read what was sent.",
    ("It may have been cut off on its way. Go back, check what you typed, and send it again.",),
)
# The same for an account that exists, one that does not, and an address from which too many were tried.
TOO_MANY_FOR_WORKBOOK = ErrorWords(
    "These are too many leads for a workbook.",
    ("Export them as CSV, or filter the list first.",),
    **_TO_LEADS,
)
SIGN_IN_WAITS = ErrorWords(
    "Wait before you sign in again.",
    ("Too many sign-ins failed, for this account or from your connection.",),
    "Back to the sign-in page",
    "/login",
    footer="Someone who knows the password has to wait as well.",
)


def words_for(status: int, *, wait_seconds: int | None = None, words: ErrorWords | None = None) -> ErrorWords:
    """Return the words for a status, or `words` of a special case, with how long to wait where there is a wait."""
    words = words or _WORDS.get(status) or _WORDS[500 if status >= 500 else 422]
    if wait_seconds is not None:
        wait = (
            f"Wait {_span(wait_seconds)}, then try again. What you typed is still in your browser: go back to find it."
        )
        words = replace(words, sentences=(*words.sentences, wait))
    return words


def _span(seconds: int) -> str:
    if seconds > 120:
        return f"{math.ceil(seconds / 60)} minutes"
    return "1 second" if seconds == 1 else f"{seconds} seconds"

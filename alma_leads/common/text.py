"""Normalise text from strangers at a bounded cost. The only module that calls `unicodedata.normalize`.

Normalising sorts each run of combining marks by insertion: the work grows with the square of the run, and no other
thread runs meanwhile. So length is checked first, then the longest run: UAX #15 ("Stream-Safe Text Format") allows 30.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final, Literal

MAX_MARKS: Final = 30
# A form can be this many times as long decomposed as composed (UAX #15, table 14: canonical, in UTF-32).
EXPANSION: Final = 4
_SLICE: Final = 64

# Letters and symbols by their category that show nothing: Hangul fillers and the blank Braille pattern.
BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# Marks that show nothing: variation selectors, the grapheme joiner, and two vowels of Khmer.
_HIDDEN_MARKS: Final = frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0x180B, 0x1810), 0x34F, 0x17B4, 0x17B5]))

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]


class UnfitText(ValueError):
    """The text cannot be used, whatever it says."""


class TextTooLong(UnfitText):
    """The text is longer than its caller allows."""


class TooManyMarks(UnfitText):
    """More than `MAX_MARKS` combining marks follow each other. No script needs so many."""


def normalise(text: str, form: Form, *, at_most: int) -> str:
    """Return `text` in a Unicode normal form.

    Args:
        text: as it was typed.
        form: the normal form.
        at_most: how many characters `text` may have. What is returned may have more, or fewer.

    Raises:
        TextTooLong: it has more; nothing else was looked at.
        TooManyMarks: it has more than 30 non-starters in a row.
    """
    if len(text) > at_most:
        raise TextTooLong(f"The text has more than {at_most} characters.")
    if text.isascii():
        return text
    run = 0
    for character in _decomposed(text):
        run = run + 1 if unicodedata.combining(character) else 0
        if run > MAX_MARKS:
            raise TooManyMarks(f"The text has more than {MAX_MARKS} combining marks in a row.")
    return unicodedata.normalize(form, text)


def without_marks(text: str) -> str:
    """Return `text` in NFKD without its combining marks, for search. Takes any text, in time linear in its length."""
    if text.isascii():
        return text
    return "".join(character for character in _decomposed(text) if not unicodedata.combining(character))


def strip_invisible(text: str) -> str:
    """Return `text` without the spaces and the characters that show nothing at both of its ends."""
    start, end = 0, len(text)
    while start < end and _is_invisible(text[start]):
        start += 1
    while end > start and _is_invisible(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_invisible(character: str) -> bool:
    return (
        character.isspace()
        or unicodedata.category(character) in ("Cf", "Zs")
        or character in BLANK
        or character in _HIDDEN_MARKS
    )


def _decomposed(text: str) -> Iterator[str]:
    """Yield the characters of the NFKD of `text`, with the marks of a run in any order.

    Decomposing slices is linear, and differs from decomposing the whole only in how marks that follow each other are
    sorted.
    """
    for start in range(0, len(text), _SLICE):
        yield from unicodedata.normalize("NFKD", text[start : start + _SLICE])

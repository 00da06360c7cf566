"""The words of a resume, by which it is found. Runs in the sandbox, and for what someone searches for.

A word is what stands between anything that is neither a letter, a mark nor a digit, folded like all text that is
searched.
"""

from __future__ import annotations

import unicodedata
from itertools import accumulate, takewhile

from alma_leads.common.folding import fold

MAX_WORD_LENGTH = 64
# PostgreSQL stores less than a megabyte of words of a document, and what it needs beside them.
MAX_WORDS_BYTES = 500_000


def words_of(text: str) -> list[str]:
    """Return each word of `text` once, folded, in the order of first use."""
    folded = fold(text)
    spaced = "".join(c if is_of_a_word(c) else " " for c in folded)
    words = list(dict.fromkeys(word[:MAX_WORD_LENGTH] for word in spaced.split()))
    sizes = accumulate(len(word.encode()) + 1 for word in words)
    return words[: sum(1 for _ in takewhile(lambda size: size <= MAX_WORDS_BYTES, sizes))]


def is_of_a_word(character: str) -> bool:
    """Return whether a character belongs to a word."""
    return character.isalnum() or (character > "\x7f" and unicodedata.category(character)[0] == "M")

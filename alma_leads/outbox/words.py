"""The words of a mail server, as the outbox and the log keep them."""

from __future__ import annotations

import re

WORDS_LENGTH = 1000

_ADDRESS = re.compile(r"[^\s<>()\[\]:;,\"']+@[^\s<>()\[\]:;,\"']+")
_LINK = re.compile(r"https?://\S+/\S+")


def printable(words: str) -> str:
    """Return words as one line that any page, log and database can hold."""
    spaced = "".join(char if char.isprintable() else " " for char in words)
    return " ".join(spaced.split())[:WORDS_LENGTH]


def without_addresses(words: str) -> str:
    """Return words for the log, which holds no personal data: servers like to repeat the recipient."""
    return _ADDRESS.sub("…", printable(words))


def without_links_of(words: str, text: str) -> str:
    """Return words without the secret ends of the links in `text`: a spam filter quotes what it does not like."""
    for secret in {link.rpartition("/")[2] for link in _LINK.findall(text)}:
        words = words.replace(secret, "…")
    return words

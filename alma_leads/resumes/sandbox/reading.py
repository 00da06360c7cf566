"""What is read from a file for the desk: its text and words and, of a PDF, a picture of page 1. Opens nothing."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass

from alma_leads.resumes.sandbox.words import words_of

MAX_CHARACTERS = 200_000
# What PDFium puts where a line ends within a word.
_HYPHENATED = re.compile("[\x02\ufffe]\\s*")
_BLANKS = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in WebP, and its size in pixels."""

    content: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: the text, and the words it is found by. `pages` is None where only a layout program could tell."""

    text: str
    words: tuple[str, ...] = ()
    pages: int | None = None
    picture: Picture | None = None

    @classmethod
    def of(cls, text: str, pages: int | None = None, picture: Picture | None = None) -> Reading:
        """Return a reading with the words of its text. What that costs is up to whoever wrote the file."""
        return cls(text, tuple(words_of(text)), pages, picture)

    def to_bytes(self) -> bytes:
        """Return the reading as one line of JSON, and the picture after it."""
        picture = self.picture
        size = (picture.width, picture.height) if picture else None
        head = json.dumps({"text": self.text, "words": self.words, "pages": self.pages, "size": size})
        return head.encode() + b"\n" + (picture.content if picture else b"")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Reading:
        """Return what `to_bytes` wrote."""
        line, _, content = raw.partition(b"\n")
        head = json.loads(line)
        picture = Picture(content, *head["size"]) if head["size"] else None
        return cls(head["text"], tuple(head["words"]), head["pages"], picture)


def tidy(text: str) -> str:
    """Return text that any page and database can hold: lines, no control characters, at most `MAX_CHARACTERS`."""
    text = _HYPHENATED.sub("", text[: 2 * MAX_CHARACTERS]).replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(c if c == "\n" or unicodedata.category(c) not in _UNFIT else _instead(c) for c in text)
    lines = "\n".join(line.strip() for line in _BLANKS.sub(" ", text).split("\n"))
    return _EMPTY_LINES.sub("\n\n", lines).strip()[:MAX_CHARACTERS]


_UNFIT = {"Cc", "Cs", "Cn", "Co", "Cf", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # some scripts cannot be written without them


def _instead(character: str) -> str:
    if character in _JOINERS:
        return character
    return " " if character.isspace() else ""

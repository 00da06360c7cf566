"""Words of resumes: what one is, and where a text says those that were looked for."""

from __future__ import annotations

import pytest

from alma_leads.leads.resume_text.resume_texts import passages
from alma_leads.resumes.sandbox.words import MAX_WORDS_BYTES, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Études à Zürich, ÉTUDES", ["etudes", "a", "zurich"]),
        ("C++/C# & O'Brien 2.5", ["c", "o", "brien", "2", "5"]),
        ("STRASSE Straße ﬁne", ["strasse", "fine"]),
        ("हिन्दी 日本語", ["हिनदी", "日本語"]),
        ("\x00 -- _", []),
        ("x" * 100, ["x" * 64]),
    ],
)
def test_words_are_folded_and_said_once(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_words_end_somewhere() -> None:
    words = words_of(" ".join(f"𠀀𠀀𠀀{number}" for number in range(100_000)))
    assert sum(len(word.encode()) + 1 for word in words) <= MAX_WORDS_BYTES


def test_a_passage_shows_the_words_as_they_were_written() -> None:
    text = "one two, " * 30 + "the Étude of LAW\nand more. " + "three four " * 30
    [passage] = passages(text, ["law", "etude"])
    assert [piece for piece, found in passage if found] == ["Étude", "LAW"]
    said = "".join(piece for piece, _ in passage)
    assert said.startswith("… ")
    assert said.endswith(" …")
    assert "the Étude of LAW\nand more." in said


def test_each_word_is_shown_once_and_a_few_at_most() -> None:
    text = " ".join(f"w{number} " + "and " * 80 for number in range(9))
    assert len(passages(text, ["w1", "w2"])) == 2
    assert len(passages(text, [f"w{number}" for number in range(9)])) == 3
    assert passages(text, ["nowhere"]) == []

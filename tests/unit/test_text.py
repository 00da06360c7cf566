"""Normalising is bounded: by length, by the marks in a row, and by time."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alma_leads.common.folding import fold
from alma_leads.common.text import Form, TextTooLong, TooManyMarks, normalise, strip_invisible, without_marks

HOSTILE = "a" + "\u0315\u0300\u05ae" * 80_000
SECONDS = 0.5


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_length_is_looked_at_before_anything_else(form: Form) -> None:
    began = time.thread_time()
    with pytest.raises(TextTooLong):
        normalise(HOSTILE, form, at_most=400)
    assert time.thread_time() - began < 0.01


@pytest.mark.parametrize(
    "text",
    [
        "a" + "\u0301" * 30,
        "\u0301" * 30 + "a" + "\u0301" * 30,
        "\u00e9" + "\u0301" * 29,  # its own accent counts
        "a" + "\u0344" * 15,  # each is two marks
        "각" * 100,
    ],
)
def test_thirty_marks_in_a_row_are_normalised(text: str) -> None:
    assert normalise(text, "NFC", at_most=1000) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text",
    [
        "a" + "\u0301" * 31,
        "\u0301" * 31,
        "\u00e9" + "\u0301" * 30,
        "a" + "\u0344" * 16,
        "a" + "\u0f73" * 16,  # a starter by its class that decomposes to two marks
        "a" + "\uff9e" * 31,  # a starter that NFKD makes a mark
        "x" * 50 + "a" + "\u0315\u0300\u05ae" * 11 + "b" * 50,
    ],
)
def test_more_are_refused(text: str) -> None:
    with pytest.raises(TooManyMarks):
        normalise(text, "NFC", at_most=1000)


@given(st.text(), st.integers(0, 70))
def test_marks_are_taken_off_as_from_the_whole_text(text: str, before: int) -> None:
    text = "x" * before + text  # so that the border of a slice is anywhere
    whole = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    assert without_marks(text) == whole


@pytest.mark.parametrize("hostile", [HOSTILE[:200_000], "\u0344" * 200_000, "\ufdfa" * 20_000])
def test_folding_takes_any_text_in_linear_time(hostile: str) -> None:
    began = time.thread_time()
    fold(hostile)
    assert time.thread_time() - began < SECONDS


@pytest.mark.parametrize("text", [" a ", "\u200ba\ufeff", "\u2060\u00a0a\ufe0f\u3164", "a\u202c\U000e0020", "a"])
def test_what_is_invisible_is_taken_off_both_ends(text: str) -> None:
    assert strip_invisible(text) == "a"


def test_a_text_of_nothing_visible_becomes_empty() -> None:
    assert strip_invisible("\u200b \ufeff") == ""

"""Search forgets case and accents, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alma_leads.common.folding import fold, search_text


@pytest.mark.parametrize(
    ("text", "query"),
    [("Țepeș", "tepes"), ("STRASSE", "straße"), ("José", "JOSE"), ("İstanbul", "istanbul"), ("ﬁn", "FIN")],
)
def test_equal_but_for_case_and_accents(text: str, query: str) -> None:
    assert fold(text) == fold(query)


def test_letters_that_only_look_alike_stay_apart() -> None:
    assert fold("Łukasz") != fold("Lukasz")


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_no_match_spans_name_and_address() -> None:
    text = search_text(first_name="Ana", last_name="Li", email="x@y.co")
    assert "ana li" in text
    assert "lix" not in text.replace("\n", "|")

"""The words of the error pages: true for every cause of a status, and grammatical."""

from __future__ import annotations

import pytest

from alma_leads.web.errors.error_words import words_for


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503])
def test_each_status_has_words_of_its_own(status: int) -> None:
    words = words_for(status)
    assert words.heading.endswith(".")
    assert words.sentences
    assert words.action_href.startswith("/")
    if status != 422:
        assert words != words_for(422)


@pytest.mark.parametrize(("status", "like"), [(418, 422), (502, 500)])
def test_other_statuses_borrow_the_words_of_their_kind(status: int, like: int) -> None:
    assert words_for(status) == words_for(like)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "Wait 1 second,"), (40, "Wait 40 seconds,"), (121, "Wait 3 minutes,"), (893, "Wait 15 minutes,")],
)
def test_the_wait_is_said(seconds: int, said: str) -> None:
    assert said in words_for(429, wait_seconds=seconds).sentences[-1]


def test_a_refused_request_does_not_claim_to_know_why() -> None:
    assert "may have been open for too long" in words_for(400).sentences[0]

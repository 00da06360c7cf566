"""Which passwords are accepted, and in which form they are compared."""

from __future__ import annotations

import time

import pytest

from alma_leads.accounts.core.errors import WeakPassword
from alma_leads.accounts.core.passwords import MAX_LENGTH, check_password, normalise_password, verify_password


@pytest.mark.parametrize("typed", ["correct horse battery staple", "ärger über fünf Züge", "x1-" + "qlrwzkdfhm" * 12])
def test_long_passwords_of_any_characters_are_accepted(typed: str) -> None:
    assert check_password(typed) == typed


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("short-words", "at least 12"),
        ("ﬁ" * 5, "at least 12"),
        ("qz7!" * 65, f"at most {MAX_LENGTH}"),
        ("ﷺ" * 20, f"at most {MAX_LENGTH}"),
        ("a" + "\u0315\u0300\u05ae" * 80_000, f"at most {MAX_LENGTH}"),
        ("a long one with " + "\u0301" * 31, "at most 30 accents"),
        ("password1234", "harder to guess"),
        ("123456789012", "harder to guess"),
        ("qwertyuiop12", "harder to guess"),
        ("iloveyou1234", "harder to guess"),
        ("aaaaaaaaaaaaaaaaaa", "harder to guess"),
        ("a zero byte \0 in it", "can be typed"),
        ("half a pair \ud800 in it", "can be typed"),
    ],
)
def test_others_are_refused_and_told_why(typed: str, why: str) -> None:
    with pytest.raises(WeakPassword, match=why):
        check_password(typed)


def test_what_anyone_would_try_first_for_this_person_is_refused() -> None:
    assert check_password("rosa.delgado@alma.example")
    with pytest.raises(WeakPassword, match="harder to guess"):
        check_password("rosa.delgado@alma.example", about=("rosa.delgado@alma.example", "Rosa Delgado"))


def test_one_password_typed_on_two_keyboards_is_the_same() -> None:
    assert normalise_password("cafe\u0301 cre\u0300me 1") == normalise_password("caf\u00e9 cr\u00e8me 1")


@pytest.mark.real_password_cost
@pytest.mark.parametrize("typed", ["x" * 257, "a" + "\u0315\u0300\u05ae" * 80_000, "a" + "\u0301" * 31])
def test_what_nobody_can_have_is_wrong_without_being_hashed(typed: str) -> None:
    began = time.process_time()
    assert not verify_password(typed, None)
    assert time.process_time() - began < 0.02


def test_the_strength_of_a_password_of_stand_ins_is_told_soon() -> None:
    began = time.thread_time()
    assert check_password("4@8({[<63!1|05$7+%2" * 4)
    assert time.thread_time() - began < 0.6

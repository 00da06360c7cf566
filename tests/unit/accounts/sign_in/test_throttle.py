"""How accounts are counted: every spelling of one is one."""

from __future__ import annotations

import pytest

from alma_leads.accounts.sign_in.throttle import account_key


@pytest.mark.parametrize(
    "typed", ["Rosa@Alma.example", " rosa@alma.example ", "rosa@ａｌｍａ.example", "rosa@alma。example"]
)
def test_every_spelling_of_an_account_is_counted_as_one(typed: str) -> None:
    assert account_key(typed) == account_key("rosa@alma.example")


def test_what_is_no_address_is_counted_too() -> None:
    assert account_key("Nobody") == account_key("nobody ")
    assert account_key("nobody") != account_key("somebody")
    assert account_key("\ud800")

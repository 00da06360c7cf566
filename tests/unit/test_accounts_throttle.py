"""How accounts and addresses are counted: every spelling of one is one."""

from __future__ import annotations

import pytest

from alma_leads.accounts.throttle import account_key, address_key


@pytest.mark.parametrize(
    "typed", ["Rosa@Alma.example", " rosa@alma.example ", "rosa@ａｌｍａ.example", "rosa@alma。example"]
)
def test_every_spelling_of_an_account_is_counted_as_one(typed: str) -> None:
    assert account_key(typed) == account_key("rosa@alma.example")


def test_what_is_no_address_is_counted_too() -> None:
    assert account_key("Nobody") == account_key("nobody ")
    assert account_key("nobody") != account_key("somebody")
    assert account_key("\ud800")


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_addresses_of_one_customer_are_one(address: str, counted: str) -> None:
    assert address_key(address) == counted

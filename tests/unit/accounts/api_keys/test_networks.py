"""The networks of a key: what may be written, and which addresses lie in them."""

from __future__ import annotations

import pytest

from alma_leads.accounts.api_keys.networks import BadNetwork, is_within, parse_network


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_what_may_be_written(text: str, stored: str) -> None:
    assert parse_network(text) == stored


@pytest.mark.parametrize("text", ["", "office", "192.0.2.0/33", "192.0.2.300", "2001:db8::/129", "192.0.2.0/24/1"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(BadNetwork, match="is not a network"):
        parse_network(text)


def test_an_address_inside_a_network_is_a_slip() -> None:
    with pytest.raises(BadNetwork, match=r"Write 192\.0\.2\.0/24 for all of it"):
        parse_network("192.0.2.7/24")


@pytest.mark.parametrize(
    ("address", "networks", "inside"),
    [
        ("192.0.2.7", "", True),
        ("", "", True),
        ("192.0.2.7", "192.0.2.0/24", True),
        ("192.0.3.7", "192.0.2.0/24", False),
        ("192.0.3.7", "192.0.2.0/24 192.0.3.7/32", True),
        ("::ffff:192.0.2.7", "192.0.2.0/24", True),
        ("2001:db8:1::5", "2001:db8::/32", True),
        ("2001:db9::5", "2001:db8::/32", False),
        ("2001:db8::5", "0.0.0.0/0", False),
        ("192.0.2.7", "::/0", False),
        ("", "0.0.0.0/0 ::/0", False),
        ("nonsense", "0.0.0.0/0", False),
    ],
)
def test_which_addresses_lie_inside(address: str, networks: str, inside: bool) -> None:
    assert is_within(address, networks) is inside

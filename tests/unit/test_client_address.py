"""The client's address: every spelling that proxies write, the networks that limits count, the hop that is believed."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from werkzeug.middleware.proxy_fix import ProxyFix

from alma_leads.common.client_address import forwarded_address, network_of, parse_address, wide_network_of
from alma_leads.web.requests.client import ParsedAddress


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.10", "203.0.113.10"),
        ("203.0.113.10:50001", "203.0.113.10"),
        (" 203.0.113.10 ", "203.0.113.10"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8:1:2:3:4:5:6:50001", "2001:db8:1:2:3:4:5:6"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::ffff:102:304", "1.2.3.4"),
        ("[::ffff:1.2.3.4]:80", "1.2.3.4"),
        ("", ""),
        *((garbage, "") for garbage in ("unknown", "_hidden", "1.2.3", "1.2.3.4:", "1.2.3.4:x", "010.1.2.3", "[]:1")),
        *(
            (garbage, "")
            for garbage in ("[2001:db8::1", "1.2.3.4]", "[[::1]]", "1.2.3.4, 5.6.7.8", "٣.1.2.3", "9" * 99)
        ),
    ],
)
def test_every_spelling_of_an_address_is_read(text: str, address: str) -> None:
    assert parse_address(text) == address
    assert parse_address(address) == address


def test_what_is_no_address_is_logged_once_and_cut() -> None:
    parse_address.cache_clear()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            parse_address("nonsense" * 100)
            parse_address("")
    assert [len(line["text"]) for line in lines] == [80]


@pytest.mark.parametrize(
    ("address", "counted", "wide"),
    [
        ("192.0.2.7", "192.0.2.7", ""),
        ("192.0.2.7:4711", "192.0.2.7", ""),
        ("::ffff:192.0.2.7", "192.0.2.7", ""),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
        ("", "", ""),
        ("unknown", "", ""),
    ],
)
def test_addresses_of_one_customer_are_one(address: str, counted: str, wide: str) -> None:
    assert (network_of(address), wide_network_of(address)) == (counted, wide)


HEADERS = (
    None,
    "",
    "203.0.113.10",
    "6.6.6.6, 203.0.113.10:4711",
    "6.6.6.6,[2001:db8::1]:443 , 10.0.0.1",
    '6.6.6.6, "203.0.113.10"',
    '6.6.6.6, ""',
    "6.6.6.6, , 203.0.113.10",
    '6.6.6.6, "203.0.113.10',
    "unknown",
    ",,,",
)


@pytest.mark.parametrize("trusted", [0, 1, 2, 3])
@pytest.mark.parametrize("header", HEADERS)
def test_the_hop_is_the_one_that_the_application_believes(header: str | None, trusted: int) -> None:
    seen: dict[str, Any] = {}

    def app(environ: Any, _start_response: Any) -> list[bytes]:
        seen.update(environ)
        return []

    environ = {"REMOTE_ADDR": "10.0.0.9", **({} if header is None else {"HTTP_X_FORWARDED_FOR": header})}
    ProxyFix(ParsedAddress(app), x_for=trusted)(environ, lambda *_: lambda _: None)
    assert forwarded_address("10.0.0.9", header, trusted_proxies=trusted) == seen["REMOTE_ADDR"]

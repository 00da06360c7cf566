"""Where passkeys work: at names with HTTPS, and on a laptop at localhost."""

from __future__ import annotations

import pytest

from alma_leads.accounts.second_factor.relying_party import Site, site_of


@pytest.mark.parametrize(
    ("public_url", "site"),
    [
        ("https://desk.firm.example", Site("desk.firm.example", "https://desk.firm.example")),
        ("https://desk.firm.example:443", Site("desk.firm.example", "https://desk.firm.example")),
        ("https://desk.firm.example:8443", Site("desk.firm.example", "https://desk.firm.example:8443")),
        ("http://localhost:8000", Site("localhost", "http://localhost:8000")),
        ("http://localhost:80", Site("localhost", "http://localhost")),
        ("http://127.0.0.1:8000", Site("localhost", "http://localhost:8000")),
        ("http://[::1]:8000", Site("localhost", "http://localhost:8000")),
        ("http://desk.localhost:8000", Site("desk.localhost", "http://desk.localhost:8000")),
    ],
)
def test_the_site_is_the_public_address(public_url: str, site: Site) -> None:
    assert site_of(public_url) == site


@pytest.mark.parametrize(
    "public_url", ["http://desk.firm.example", "https://192.0.2.7", "http://10.0.0.5:8000", "https://[2001:db8::1]"]
)
def test_elsewhere_browsers_allow_none(public_url: str) -> None:
    assert site_of(public_url) is None

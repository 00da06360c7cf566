"""How a key looks, and what it may be made with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alma_leads.accounts.api_keys import keys
from alma_leads.accounts.core.errors import KeyRefused
from alma_leads.accounts.core.permissions import Scope

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def validated(name: str = "website-import", **changes: Any) -> keys.NewApiKey:
    """Ask for a key."""
    asked: dict[str, Any] = {"scopes": ["leads:create"], "networks": [], "expires_at": None, **changes}
    return keys.validate(name, now=NOW, **asked)


def test_no_two_keys_are_alike() -> None:
    made = {keys.new_secret() for _ in range(1000)}
    assert len(made) == 1000
    assert all(key.startswith("alma_") and key.isascii() and key[5:].isalnum() for key in made)
    assert all(keys.is_well_formed(key) for key in made)


def test_a_slip_in_copying_is_seen() -> None:
    key = keys.new_secret()
    swapped = key[:8] + ("b" if key[8] != "b" else "c") + key[9:]
    for wrong in (swapped, key[:-1], key + "0", key.upper(), f" {key}", "", "alma_", "ä" * len(key)):
        assert not keys.is_well_formed(wrong)


def test_what_is_asked_for_is_made_whole() -> None:
    new = validated(
        "  Cafe\u0301 sync ",
        scopes=["leads:update", "leads:read", "leads:read"],
        networks=["192.0.2.7", "192.0.2.7/32"],
        expires_at=NOW + timedelta(seconds=1),
    )
    assert new.name == "Café sync"
    assert new.scopes == (Scope.READ, Scope.UPDATE)
    assert new.networks == ("192.0.2.7/32",)


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("", {}, "name"),
        (" ", {}, "name"),
        ("x" * 101, {}, "name"),
        ("two\nlines", {}, "name"),
        ("a" + "\u0315\u0300\u05ae" * 80_000, {}, "name"),
        ("a" + "\u0301" * 31, {}, "name"),
        ("INTERNAL_API_KEY", {}, "name"),
        ("x", {"scopes": []}, "scopes"),
        ("x", {"scopes": ["leads:create", "people:manage"]}, "scopes"),
        ("x", {"networks": ["192.0.2.0/24", "office"]}, "networks"),
        ("x", {"networks": [f"192.0.2.{n}" for n in range(51)]}, "networks"),
        ("x", {"expires_at": NOW}, "expires"),
    ],
)
def test_what_cannot_be_is_named(name: str, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(KeyRefused) as refused:
        validated(name, **changes)
    assert list(refused.value.errors) == [field]


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(KeyRefused) as refused:
        validated("", scopes=[], networks=["x"], expires_at=NOW - timedelta(days=1))
    assert list(refused.value.errors) == ["name", "scopes", "networks", "expires"]

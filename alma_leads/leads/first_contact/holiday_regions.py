"""The countries and regions whose public holidays are known, with readable names."""

from __future__ import annotations

from functools import cache

import holidays
from holidays.registry import COUNTRIES

_SMALL = frozenset({"and", "of", "the"})


@cache
def countries() -> tuple[tuple[str, str], ...]:
    """Return (ISO 3166 code, name) of each country, by name."""
    return tuple(sorted(((entry[1], _name(module)) for module, entry in COUNTRIES.items()), key=lambda pair: pair[1]))


@cache
def subdivisions() -> dict[str, tuple[str, ...]]:
    """Return the codes of regions that have public holidays of their own, by the code of the country."""
    return {code: tuple(parts) for code, parts in holidays.list_supported_countries(include_aliases=False).items()}


def _name(module: str) -> str:
    return " ".join(word if word in _SMALL else word.capitalize() for word in module.split("_"))

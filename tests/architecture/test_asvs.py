"""`docs/asvs.md` is whole, and what it points to is there."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
# How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has, numbered from 1.
SECTIONS = {
    "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2,
    "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1,
    "9.1": 3, "9.2": 4,
    "10.1": 2, "10.2": 2, "10.3": 4, "10.4": 11, "10.5": 5, "10.6": 2, "10.7": 3,
}  # fmt: skip


def rows() -> list[list[str]]:
    """Return the cells of each requirement."""
    lines = (ROOT / "docs" / "asvs.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d", line)]


def test_every_requirement_is_there_once() -> None:
    wanted = [f"{section}.{number}" for section, count in SECTIONS.items() for number in range(1, count + 1)]
    assert [row[0] for row in rows()] == wanted


def test_each_is_met_or_says_why_not() -> None:
    for number, _level, what, state, how in rows():
        assert state in ("met", "n/a", "open"), number
        assert what, number
        assert how, number


def test_each_test_that_is_named_is_there() -> None:
    named = set(chain.from_iterable(re.findall(r"`(test_\w+)`", row[4]) for row in rows()))
    there = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        there |= set(re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE))
    assert len(named) > 40
    assert named <= there, sorted(named - there)

"""`docs/asvs.md` is whole, and what it points to is there."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The levels of requirements of levels 1 and 2, by section of ASVS 5.0.0: "122" are one of level 1 and two of level 2.
# Those of level 3 come last in each section.
LEVELS = {
    "1.1": "22", "1.2": "111112222", "1.3": "11222222222", "1.4": "222", "1.5": "12",
    "2.1": "122", "2.2": "112", "2.3": "1222", "2.4": "2",
    "3.2": "11", "3.3": "1222", "3.4": "112222", "3.5": "11122", "3.7": "22",
    "4.1": "122", "4.2": "2", "4.3": "22", "4.4": "1222",
    "5.1": "2", "5.2": "112", "5.3": "11", "5.4": "222",
    "6.1": "122", "6.2": "111111112222", "6.3": "1122", "6.4": "1122", "6.5": "22222", "6.6": "222", "6.8": "2222",
    "7.1": "222", "7.2": "1111", "7.3": "22", "7.4": "11222", "7.5": "22", "7.6": "22",
    "8.1": "12", "8.2": "112", "8.3": "1", "8.4": "2",
    "9.1": "111", "9.2": "1222",
    "10.1": "22", "10.2": "22", "10.3": "2222", "10.4": "11111222222", "10.5": "22222", "10.6": "22", "10.7": "222",
    "11.1": "22", "11.2": "222", "11.3": "112", "11.4": "1222", "11.5": "2", "11.6": "2",
    "12.1": "122", "12.2": "11", "12.3": "2222",
    "13.1": "2", "13.2": "22222", "13.3": "22", "13.4": "12222",
    "14.1": "22", "14.2": "1222", "14.3": "122",
    "15.1": "122", "15.2": "122", "15.3": "1222222",
    "16.1": "2", "16.2": "22222", "16.3": "2222", "16.4": "222", "16.5": "222",
    "17.1": "2", "17.2": "2222", "17.3": "22",
}  # fmt: skip


def rows() -> list[list[str]]:
    """Return the cells of each requirement."""
    lines = (ROOT / "docs" / "asvs.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d", line)]


def test_every_requirement_is_there_once() -> None:
    wanted = [
        (f"{section}.{number}", level) for section, levels in LEVELS.items() for number, level in enumerate(levels, 1)
    ]
    assert len(wanted) == 253  # 70 of level 1, 183 of level 2
    assert [(row[0], row[1]) for row in rows()] == wanted


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
    assert len(named) > 170
    assert named <= there, sorted(named - there)


def test_each_page_that_is_named_is_there() -> None:
    for name in ("asvs.md", "security-decisions.md"):
        links = re.findall(r"\]\(([\w/.-]+\.md)(?:#([\w-]+))?\)", (ROOT / "docs" / name).read_text())
        assert links
        for page, section in links:
            headings = re.findall(r"^#+ (.*)", (ROOT / "docs" / page).read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
            assert not section or section in anchors, (name, page, section)

"""Where the marks of a chart go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alma_leads.web.internal.insights.charts import BOTTOM, TOP, Datum, lines, scale, share_of_width, stacked


def datum(*values: float | None) -> Datum:
    """Return a column of some values."""
    return Datum("7 Sep", "sentence", values)


@pytest.mark.parametrize(
    ("top", "wanted"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (21, [0, 10, 20, 30]),
        (24, [0, 10, 20, 30]),
        (16, [0, 5, 10, 15, 20]),
        (1000, [0, 500, 1000]),
        (86400, [0, 50000, 100000]),
    ],
)
def test_a_scale_is_of_round_numbers(top: float, wanted: list[float]) -> None:
    assert scale(top) == wanted


@given(st.floats(0, 1e9), st.booleans())
def test_a_scale_reaches_the_top_in_few_steps(top: float, whole: bool) -> None:
    numbers = scale(top, whole=whole)
    assert numbers[0] == 0
    assert numbers[-1] >= top * (1 - 1e-6)
    assert 2 <= len(numbers) <= 6


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=100))
def test_columns_stay_inside_and_stand_on_each_other(values: list[tuple[int, int]]) -> None:
    chart = stacked([datum(*pair) for pair in values])
    assert len(chart.groups) == len(values)
    for group, pair in zip(chart.groups, values, strict=True):
        assert 0 <= group.x <= 100.01 - group.width
        assert [piece.kind for piece in group.pieces] == [kind for kind, value in enumerate(pair) if value]
        assert group.top >= TOP - 2.5  # a piece that would be too low to see is made higher
        base = float(BOTTOM)
        for piece in group.pieces:
            assert piece.y + piece.height == pytest.approx(base, abs=0.2)
            base = piece.y


def test_heights_are_in_proportion() -> None:
    [low, high] = stacked([datum(5), datum(10)]).groups
    assert high.pieces[0].height == pytest.approx(2 * low.pieces[0].height, abs=0.1)


def test_no_more_names_than_there_is_room_for_and_the_newest_has_one() -> None:
    for count in range(1, 101):
        groups = stacked([datum(1)] * count).groups
        assert groups[-1].named == "always"
        assert sum(group.named == "always" for group in groups) <= 5
        assert sum(bool(group.named) for group in groups) <= 12


def test_a_line_passes_over_what_is_not_known() -> None:
    chart = lines([datum(1.0, None), datum(None, None), datum(3.0, 4.0)], goal=2.0)
    assert [(segment.kind, segment.x1, segment.x2) for segment in chart.segments] == [(0, 16.667, 83.333)]
    assert [len(group.pieces) for group in chart.groups] == [1, 0, 2]
    assert chart.goal is not None
    assert TOP < chart.goal.y < BOTTOM


def test_the_widest_bar_leaves_room_for_its_end() -> None:
    assert share_of_width(4, 4) == 90
    assert share_of_width(0, 0) == 0

"""Where the marks of a chart go: numbers in, places out. Values only; `macros/charts.html` draws them.

Places across are per cent of the width, so that a chart fills whatever it is given and its words keep their size;
places down are pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

HEIGHT = 220
# What is pointed at is said above, and the columns are named below.
TOP, BOTTOM = 34, 190
_GAP_SHARE = 0.3
_LABELS, _FEW_LABELS = 12, 5
_VALUES = 16
_MIN_PIECE = 2.0


Named = Literal["always", "wide", ""]


class Tick(NamedTuple):
    """A line across, and the number it stands for."""

    y: float
    label: str


class Piece(NamedTuple):
    """A part of a column, or of a line: `kind` numbers the series."""

    kind: int
    y: float
    height: float


class Group(NamedTuple):
    """What is told of one column: a place to point at, a sentence, and what is drawn there.

    `name` stands below it; `named` is "always", "wide" (where there is room) or "".
    """

    x: float
    width: float
    middle: float
    sentence: str
    name: str
    named: Named
    value: str
    pieces: list[Piece]

    @property
    def top(self) -> float:
        """Where the highest piece ends."""
        return min((piece.y for piece in self.pieces), default=float(BOTTOM))


class Segment(NamedTuple):
    """A straight part of a line."""

    kind: int
    x1: float
    y1: float
    x2: float
    y2: float


class Chart(NamedTuple):
    """A chart to draw. `goal` is a tick of its own, or None."""

    ticks: list[Tick]
    groups: list[Group]
    segments: list[Segment]
    goal: Tick | None


class Datum(NamedTuple):
    """What goes into one column: its name, its sentence, and a number for each series (None: there is none)."""

    name: str
    sentence: str
    values: Sequence[float | None]


def scale(top: float, *, whole: bool = True) -> list[float]:
    """Return three to five round numbers from 0 to at least `top`."""
    rough = max(top, 1.0 if whole else 1e-9) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * (1 - 1e-9))
    if whole:
        step = max(1.0, step)
    return [step * number for number in range(max(1, math.ceil(top / step - 1e-9)) + 1)]


def stacked(data: Sequence[Datum]) -> Chart:
    """Return a chart of columns whose parts stand on each other, the first series at the bottom."""
    numbers = scale(max((sum(value or 0 for value in datum.values) for datum in data), default=0))
    groups = []
    for place, datum in enumerate(data):
        pieces, base = [], float(BOTTOM)
        for kind, value in enumerate(datum.values):
            if value:
                height = max(_MIN_PIECE, (BOTTOM - TOP) * value / numbers[-1])
                pieces.append(Piece(kind, _px(base - height), _px(height)))
                base -= height
        total = sum(value or 0 for value in datum.values)
        said = f"{total:,.0f}" if total and len(data) <= _VALUES else ""
        groups.append(_group(place, len(data), datum, said, pieces))
    return Chart(_ticks(numbers), groups, [], None)


def lines(data: Sequence[Datum], *, goal: float | None = None) -> Chart:
    """Return a chart of lines, one a series. A column without a number is passed over by a line without a mark."""
    known = [value for datum in data for value in datum.values if value is not None]
    top = max([*known, goal or 0])
    numbers = scale(top, whole=not top)
    groups, segments = [], []
    last: dict[int, tuple[float, float]] = {}
    for place, datum in enumerate(data):
        pieces = [Piece(kind, _y(value, numbers), 0.0) for kind, value in enumerate(datum.values) if value is not None]
        group = _group(place, len(data), datum, "", pieces)
        groups.append(group)
        for piece in pieces:
            if piece.kind in last:
                segments.append(Segment(piece.kind, *last[piece.kind], group.middle, piece.y))
            last[piece.kind] = group.middle, piece.y
    return Chart(_ticks(numbers), groups, segments, None if goal is None else Tick(_y(goal, numbers), ""))


def share_of_width(number: int, most: int) -> float:
    """Return how wide a bar for `number` is, in per cent, where that for `most` is widest."""
    return round(90 * number / most, 1) if most else 0.0


def _group(place: int, count: int, datum: Datum, value: str, pieces: list[Piece]) -> Group:
    room = 100 / count
    width, middle = room * (1 - _GAP_SHARE), room * (place + 0.5)
    x, width, middle = (round(each, 3) for each in (middle - width / 2, width, middle))
    return Group(x, width, middle, datum.sentence, datum.name, _named(place, count), value, pieces)


def _named(place: int, count: int) -> Named:
    """Say whether there is room for a column's name. The newest has one: so they are counted from there."""
    wide = math.ceil(count / _LABELS)
    always = wide * math.ceil(count / wide / _FEW_LABELS)
    back = count - 1 - place
    return "" if back % wide else "wide" if back % always else "always"


def _ticks(numbers: list[float]) -> list[Tick]:
    return [Tick(_y(number, numbers), f"{number:,.10g}") for number in numbers]


def _y(value: float, numbers: list[float]) -> float:
    return _px(BOTTOM - (BOTTOM - TOP) * value / numbers[-1])


def _px(value: float) -> float:
    return round(value, 1)

"""A forest plot as geometry: each comparison's difference and bound in units of its own margin, worse to the left."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from convert.gate.judge import Comparison

WIDTH = 170.0
"""Of the plot, in pixels."""
LEAST_SPAN, MOST_SPAN, MOST_BETTER = 2.0, 6.0, 3.0
"""Margins that the axis shows: to the left at least and at most, to the right at most."""
EDGE = 8.0
"""Pixels to the right of the axis, for half a mark."""
LANE, BEYOND, TIP = 30.0, 19.0, 2.0
"""Pixels to the left of the axis, for what lies beyond it: the mark stands in their middle, the arrow at their end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From so many margins worse to so many better."""

    worse: float
    better: float

    def at(self, margins: float) -> float:
        """Return the place in pixels; what lies beyond the axis is put at its end."""
        inside = min(max(margins, -self.worse), self.better)
        return round(LANE + (inside + self.worse) / (self.worse + self.better) * (WIDTH - LANE - EDGE), 1)

    @property
    def margin(self) -> float:
        """Place of the margin."""
        return self.at(-1.0)

    @property
    def zero(self) -> float:
        """Place of no difference."""
        return self.at(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisker:
    """One row of the plot.

    Parameters
    ----------
    point, bound : float
        In pixels.
    cut : bool
        Whether the bound lies beyond the axis.
    """

    point: float
    bound: float
    cut: bool


def axis_of(rows: Iterable[Comparison]) -> Axis:
    """Return an axis on which all rows are seen, but for those far beyond their margin.

    Rows that are no numbers are left out.
    """
    found = [(in_margins(row.margin - row.room, row), in_margins(_worse_end(row), row)) for row in rows]
    ends = [-value for pair in found for value in pair if math.isfinite(value)]
    worse = min(max(math.ceil(-min(ends, default=0.0)), LEAST_SPAN), MOST_SPAN)
    better = min(max(math.ceil(max(ends, default=0.0)), math.ceil(worse / 3)), MOST_BETTER)
    return Axis(worse=worse, better=better)


def whisker_of(row: Comparison, axis: Axis) -> Whisker | None:
    """Return where a comparison stands on the axis; None for what is no number."""
    point, bound = -in_margins(row.margin - row.room, row), -in_margins(_worse_end(row), row)
    if math.isnan(point) or math.isnan(bound):
        return None
    cut = bound < -axis.worse
    at = BEYOND if point < -axis.worse else axis.at(point)
    return Whisker(point=at, bound=TIP if cut else axis.at(bound), cut=cut)


def in_margins(worse: float, row: Comparison) -> float:
    """Return a loss in margins; without a margin any loss is beyond every axis."""
    if row.margin > 0:
        return worse / row.margin
    return 0.0 if worse == 0 else math.copysign(math.inf, worse)


def _worse_end(row: Comparison) -> float:
    """How much worse the candidate may be by its interval."""
    return -row.bound if row.higher_is_better else row.bound

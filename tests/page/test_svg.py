"""Drawings: as long, as high and as many as their numbers say, and inside their frame."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from edge.page import svg


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [0.001, 1e6], list(range(1, 500))])
def test_a_distribution_of_any_values_is_drawn_inside_its_frame(values: list[float]) -> None:
    drawn = ET.fromstring(svg.distribution(values, [svg.Mark(value=max(values), words="p99")], "ms", "t"))
    _, _, width, height = map(float, str(drawn.get("viewBox")).split())
    for box in drawn.iter("rect"):
        x, y, wide, tall = (float(str(box.get(name))) for name in ("x", "y", "width", "height"))
        assert -1e-6 <= x <= x + wide <= width
        assert -1e-6 <= y <= y + tall <= height
    assert sum(1 for _ in drawn.iter("rect")) >= 1


def test_bars_are_as_long_as_their_values_and_what_is_below_zero_has_no_length() -> None:
    rows = [svg.Bar(name=str(value), value=value, words="", shade=0) for value in (4.0, 2.0, -3.0)]
    lengths = [float(str(box.get("width"))) for box in ET.fromstring(svg.bars(rows, "t")).iter("rect")]
    assert lengths[0] == pytest.approx(2 * lengths[1])
    assert lengths[2] == 1.0


def test_a_line_has_a_point_for_each_value_and_rises_with_it() -> None:
    drawn = ET.fromstring(svg.lines([0.0, 1.0, 2.0], [1.0, 3.0, 2.0], ("minutes", "ms"), "t"))
    heights = [float(str(point.get("cy"))) for point in drawn.iter("circle")]
    assert heights[1] < heights[2] < heights[0]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 0.05), (12.0, 13.0), (3.0, 3.0), (0.0, 1e6)])
def test_ticks_are_few_and_lie_inside(low: float, high: float) -> None:
    found = svg.ticks(low, high)
    assert 1 <= len(found) <= 8
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)

"""Segmentations of volumes: three planes through what was found, the same however the volume is stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import Segmentation
from edge.geometry import Turn
from edge.scan import Scan
from edge.write import Outcome
from edge.write.canvas import WHITE, Box
from edge.write.panels import LABEL_COLOURS, THREE
from edge.write.planes import planes_through
from edge.write.regions import outlined, point_to_show
from tests.write.outcomes import outcome, pixels, words_of
from tests.write.planted import (
    SHAPE,
    TURNS,
    ball,
    oblique_grid,
    segmented_volume,
    upright_grid,
    volume_scan,
)

Array = NDArray[Any]
SCAN = volume_scan()
LEFT = ball((12, 20, 36), 14)
"""A ball on the left of the patient, in the middle from front to back."""
RIGHT_LOW = ball((4, 14, 10), 8)


def found_in(scan: Scan, *masks: Array, **how: Any) -> Segmentation:
    return segmented_volume(scan, masks, **how)


def panel_of(picture: Array, index: int) -> Array:
    box = THREE.panels[index]
    return np.asarray(picture[box.top : box.top + box.height, box.left : box.left + box.width])


def at_colour(part: Array, index: int = 0) -> Array:
    return np.argwhere((part == LABEL_COLOURS[index]).all(axis=-1))


@pytest.mark.parametrize("turn", TURNS[1::6], ids=str)
def test_however_a_volume_is_stored_its_picture_is_the_same(turn: Turn) -> None:
    upright = pixels(outcome(SCAN, found_in(SCAN, LEFT, RIGHT_LOW)))
    turned = volume_scan(turn)
    picture = pixels(outcome(turned, found_in(turned, turn.apply(LEFT), turn.apply(RIGHT_LOW))))
    for index in range(3):
        assert np.array_equal(panel_of(picture, index), panel_of(upright, index))


def test_the_left_of_the_patient_is_on_the_right_of_axial_and_coronal_planes() -> None:
    picture = pixels(outcome(SCAN, found_in(SCAN, LEFT)))
    for index in (0, 1):
        assert at_colour(panel_of(picture, index))[:, 1].min() > 160


def test_what_is_low_in_the_patient_is_low_on_coronal_and_sagittal_planes() -> None:
    picture = pixels(outcome(SCAN, found_in(SCAN, RIGHT_LOW)))
    for index in (1, 2):
        drawn = np.argwhere((panel_of(picture, index) != (28, 28, 28)).any(axis=-1))
        assert at_colour(panel_of(picture, index))[:, 0].max() > 0.7 * drawn[:, 0].max()


def test_the_planes_go_through_the_largest_finding_whatever_else_is_larger() -> None:
    found = found_in(SCAN, LEFT, RIGHT_LOW, findings=[False, True])
    z, y, x = point_to_show(found)
    assert RIGHT_LOW[z, y, x]
    assert (z, y, x) == (4, 14, 10)
    assert point_to_show(found_in(SCAN, LEFT, RIGHT_LOW)) == (12, 20, 36)


def test_the_planes_go_through_the_largest_slice_of_a_region() -> None:
    mask = np.zeros(SHAPE, np.bool_)
    mask[3:20, 10, 10], mask[17, 5:20, 5:20] = True, True
    assert point_to_show(found_in(SCAN, mask))[0] == 17


def test_a_ring_is_cut_where_it_is_and_not_in_its_hole() -> None:
    ring = ball((12, 20, 24), 24) & ~ball((12, 20, 24), 16)
    assert ring[point_to_show(found_in(SCAN, ring))]


def test_where_nothing_was_found_the_middle_of_the_volume_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = outcome(SCAN, found_in(SCAN, np.zeros(SHAPE, np.bool_)))
    said = words_of(monkeypatch, nothing)
    assert nothing.result.state == "no-finding"
    assert {"Axial, slice 13 of 24", "Coronal, row 21 of 40", "Sagittal, column 25 of 48"} <= set(said)
    assert "1. Region 1: not found" in said
    assert not any(at_colour(panel_of(pixels(nothing), index)).size for index in range(3))


def test_labels_that_overlap_are_all_outlined() -> None:
    large, small = ball((12, 20, 24), 20), ball((12, 20, 24), 8)
    found = found_in(SCAN, large, small, exclusive=False)
    plane = planes_through(SCAN.grid, (12, 20, 24))[0].grid
    shapes = outlined(found, plane)
    assert [shape.tag for shape in shapes] == ["1", "2"]
    assert np.array_equal(shapes[0].mask, large[12])
    assert np.array_equal(shapes[1].mask, small[12])


def test_planes_are_drawn_in_their_true_proportions_and_one_scale() -> None:
    """A ball is as wide as high on each plane, and as wide on one as on another."""
    picture = pixels(outcome(SCAN, found_in(SCAN, ball((12, 20, 24), 30))))
    sizes = [np.ptp(at_colour(panel_of(picture, index)), axis=0) for index in range(3)]
    _, y, x = SCAN.grid.steps
    pixel = 320 / max(SHAPE[2] * x, SHAPE[1] * y)
    for size in sizes:
        assert np.abs(size - 60 * pixel).max() < 4.5 * pixel + 26  # a voxel, and the number above the outline


def letters_of(monkeypatch: pytest.MonkeyPatch, of: Outcome) -> list[str]:
    return [text for text in words_of(monkeypatch, of) if text and set(text) <= set("LRAPHF")]


def test_every_plane_has_its_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    said = letters_of(monkeypatch, outcome(SCAN, found_in(SCAN, LEFT)))
    assert said == ["R", "L", "A", "P", "R", "L", "H", "F", "A", "P", "H", "F"]


def test_an_oblique_volume_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = volume_scan(grid=oblique_grid(30.0))
    of = outcome(scan, found_in(scan, LEFT))
    assert any(text.startswith("Axial, oblique, slice ") for text in words_of(monkeypatch, of))


@pytest.mark.parametrize("slices", [2, 3, 5])
def test_letters_of_a_thin_volume_stand_beside_it_and_not_on_it(slices: int) -> None:
    grid = upright_grid((slices, 40, 48))
    scan = volume_scan(grid=grid, voxels=np.full((slices, 40, 48), 50, np.int16))
    picture = pixels(outcome(scan, segmented_volume(scan, [np.zeros(grid.shape, np.bool_)])))
    coronal = panel_of(picture, 1)
    rows = np.flatnonzero((coronal == WHITE).all(axis=-1).any(axis=1))
    drawn = np.flatnonzero((coronal[:, 20] != (28, 28, 28)).any(axis=-1))
    assert rows.min() < drawn.min()
    assert rows.max() > drawn.max()
    assert THREE.panels[1].top + int(rows.min()) > 64


def test_the_legend_tells_volume_diameter_and_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros(SHAPE, np.bool_)
    mask[5:9, 10:14, 20:30] = True
    said = words_of(monkeypatch, outcome(SCAN, found_in(SCAN, mask)))
    # 160 voxels of 4 x 2.5 x 2 mm; 10 voxels of 2 mm by 4 of 2.5 mm, from the middles of edges.
    (line,) = (text for text in said if text.startswith("1. Region 1: "))
    assert line.startswith("1. Region 1: 3.20 mL, longest diameter ")
    assert line.endswith(" mm (slice 6), slices 6 to 9 of 24")
    assert 18.0 < float(line.split("diameter ")[1].split()[0]) < np.hypot(20, 10)


def test_findings_are_told_before_organs_and_the_larger_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_in(SCAN, LEFT, RIGHT_LOW, ball((20, 30, 10), 5), findings=[False, True, True])
    numbers = [text[:2] for text in words_of(monkeypatch, outcome(SCAN, found)) if "Region" in text and " mL" in text]
    assert numbers == ["2.", "3.", "1."]


def test_outlines_lie_within_their_picture() -> None:
    everything = np.ones(SHAPE, np.bool_)
    picture = pixels(outcome(SCAN, found_in(SCAN, everything)))
    gaps = [Box(left=337, top=104, width=14, height=372), Box(left=673, top=104, width=14, height=372)]
    for gap in gaps:
        part = picture[gap.top : gap.top + gap.height, gap.left : gap.left + gap.width]
        assert not at_colour(part).size

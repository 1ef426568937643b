"""Detections: each box lies where it was found, on the slice with the surest of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detect.instances import paste_patch
from edge.geometry import Turn
from edge.write.boxes import edges_on, lies_on, plane_to_show
from edge.write.canvas import DARK
from edge.write.panels import LABEL_COLOURS, TWO_LISTED
from edge.write.planes import crossing, cut
from tests.write.outcomes import outcome, picture_scan, pixels, words_of
from tests.write.planted import SHAPE, TURNS, detected, detection, volume_scan

Array = NDArray[Any]
PICTURE = picture_scan(np.full((372, 372), 100, np.uint8), spacing_mm=(0.5, 0.5))
VOLUME = volume_scan()


def panel_of(picture: Array, index: int = 1) -> Array:
    box = TWO_LISTED.panels[index]
    return np.asarray(picture[box.top : box.top + box.height, box.left : box.left + box.width])


def at_colour(part: Array, index: int = 0) -> Array:
    return np.argwhere((part == LABEL_COLOURS[index]).all(axis=-1))


def turned_edges(edges: Array, turn: Turn) -> list[float]:
    """A box of the upright volume on the turned one."""
    low, high = np.array(edges).reshape(2, 3)
    pairs = [
        (SHAPE[axis] - high[axis], SHAPE[axis] - low[axis]) if flip else (low[axis], high[axis])
        for axis, flip in zip(turn.axes, turn.flips, strict=True)
    ]
    return [pair[0] for pair in pairs] + [pair[1] for pair in pairs]


# Where a box is drawn ------------------------------------------------------------------------------------


def test_a_box_is_drawn_around_its_pixels() -> None:
    picture = pixels(outcome(PICTURE, detected(PICTURE, detection(PICTURE, (100, 50, 200, 250), 0.9))))
    drawn = at_colour(panel_of(picture))
    left = (488 - 372) // 2
    lower = drawn[drawn[:, 0] > 110]  # below the number
    assert abs(drawn[:, 1].min() - left - 50) <= 2
    assert abs(drawn[:, 1].max() - left - 250) <= 2
    assert abs(lower[:, 0].max() - 200) <= 2
    assert not at_colour(panel_of(picture, 0)).size


def test_each_label_has_its_colour() -> None:
    boxes = [detection(PICTURE, (10, 10, 50, 50), 0.9), detection(PICTURE, (90, 90, 150, 150), 0.8, name="mass")]
    picture = pixels(outcome(PICTURE, detected(PICTURE, *boxes, names=("mass", "nodule"))))
    mass, nodule = at_colour(panel_of(picture), 0), at_colour(panel_of(picture), 1)
    assert mass[:, 0].max() > 140
    assert nodule[:, 0].max() < 60


def test_a_box_of_less_than_a_pixel_is_still_drawn() -> None:
    large = picture_scan(np.zeros((4000, 4000), np.uint8), spacing_mm=(0.1, 0.1))
    for edges in ((0, 0, 1, 1), (3999, 3999, 4000, 4000), (2000, 2000, 2001, 2001)):
        picture = pixels(outcome(large, detected(large, detection(large, edges, 0.9))))
        assert at_colour(panel_of(picture)).size


def test_number_and_score_stand_beside_each_box(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [detection(PICTURE, (20 * n, 20, 20 * n + 15, 50), 0.9 - 0.1 * n) for n in range(4)]
    said = words_of(monkeypatch, outcome(PICTURE, detected(PICTURE, *boxes)))
    assert {"1: 0.90", "2: 0.80", "3: 0.70", "4: 0.60"} <= set(said)


def test_numbers_of_neighbours_do_not_hide_each_other() -> None:
    """Of two boxes at one place both numbers are drawn: more is yellow or blue than of one alone."""
    one = detection(PICTURE, (100, 100, 160, 160), 0.9)
    same = [one, detection(PICTURE, (101, 101, 161, 161), 0.8, name="mass")]
    picture = pixels(outcome(PICTURE, detected(PICTURE, *same, names=("nodule", "mass"))))
    alone = pixels(outcome(PICTURE, detected(PICTURE, one, names=("nodule", "mass"))))
    above = slice(60, 98)
    letters, before = (at_colour(panel_of(each)[above]) for each in (picture, alone))
    assert np.array_equal(letters, before)
    assert at_colour(panel_of(picture)[164:], 1).size > 20


def test_an_instance_is_outlined_on_its_pixels() -> None:
    patch = np.ones((28, 28), np.float32)
    patch[:, 14:] = 0
    edges = (100, 100, 200, 300)
    mask = paste_patch(patch, edges, PICTURE.grid, PICTURE.grid)
    masked = detected(PICTURE, detection(PICTURE, edges, 0.9, mask=mask))
    plain = detected(PICTURE, detection(PICTURE, edges, 0.9))
    with_mask, without = (pixels(outcome(PICTURE, found)) for found in (masked, plain))
    coloured = (panel_of(with_mask) == LABEL_COLOURS[0]).all(axis=-1)
    y, x = np.nonzero(coloured & (panel_of(with_mask) != panel_of(without)).any(axis=-1))
    first = (488 - 372) // 2
    inner = x[(y > 110) & (y < 190) & (x > first + 110) & (x < first + 290)]
    assert inner.size
    assert np.abs(inner - first - 200).max() <= 4


# Volumes -------------------------------------------------------------------------------------------------


def test_of_a_volume_the_slice_of_the_surest_finding_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [
        detection(VOLUME, (1, 2, 3, 4, 9, 9), 0.95, name="vessel", finding=False),
        detection(VOLUME, (10, 5, 5, 15, 20, 20), 0.9),
        detection(VOLUME, (12, 25, 5, 20, 30, 20), 0.8),
        detection(VOLUME, (20, 25, 5, 23, 30, 20), 0.7),
    ]
    found = detected(VOLUME, *boxes, names=("nodule", "vessel"))
    plane = plane_to_show(VOLUME, found)
    assert crossing(VOLUME.grid, plane) == (0, 12)
    assert [lies_on(box, VOLUME.grid, plane) for box in boxes] == [False, True, True, False]
    said = words_of(monkeypatch, outcome(VOLUME, found))
    assert "Boxes drawn by the model: 4 boxes, 2 of them in this slice" in said
    assert any(text.startswith("Picture as received, slice 13 of 24, ") for text in said)
    assert {"2: 0.90", "3: 0.80"} <= set(said)
    assert not {"1: 0.95", "4: 0.70"} & set(said)


def test_a_box_that_ends_where_a_slice_begins_is_not_on_it() -> None:
    surest = detection(VOLUME, (10, 5, 5, 15, 20, 20), 0.9)
    plane = plane_to_show(VOLUME, detected(VOLUME, surest))  # slice 12
    others = [detection(VOLUME, (first, 5, 5, end, 9, 9), 0.8) for first, end in ((8, 12), (13, 15), (12, 13))]
    assert [lies_on(box, VOLUME.grid, plane) for box in others] == [False, False, True]


def test_without_any_box_the_middle_slice_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = outcome(VOLUME, detected(VOLUME, names=("nodule", "mass")))
    said = words_of(monkeypatch, nothing)
    assert nothing.result.state == "no-finding"
    assert crossing(VOLUME.grid, plane_to_show(VOLUME, detected(VOLUME))) == (0, 12)
    assert "The model drew no box." in said
    assert said[0] == "NO FINDING: looked for Nodule, Mass only"


@pytest.mark.parametrize("turn", [turn for turn in TURNS if turn.axes[0] == 0], ids=str)
def test_however_a_volume_is_stored_its_boxes_are_drawn_the_same(turn: Turn) -> None:
    edges = np.array([10, 5, 30, 15, 12, 44])
    upright = pixels(outcome(VOLUME, detected(VOLUME, detection(VOLUME, edges.tolist(), 0.9))))
    turned = volume_scan(turn)
    found = detected(turned, detection(turned, turned_edges(edges, turn), 0.9))
    assert np.array_equal(panel_of(pixels(outcome(turned, found))), panel_of(upright))
    on_the_left = at_colour(panel_of(upright))
    assert on_the_left[:, 1].mean() > 488 / 2  # of the patient: on the right of the picture


@pytest.mark.parametrize("turn", TURNS[::3], ids=str)
def test_edges_on_a_plane_are_those_of_the_box(turn: Turn) -> None:
    grid = turn.apply_grid(VOLUME.grid)
    scan = volume_scan(turn)
    box = detection(scan, turned_edges(np.array([10, 5, 30, 15, 12, 44]), turn), 0.9)
    plane = plane_to_show(scan, detected(scan, box))
    top, left, bottom, right = edges_on(box, grid, plane)
    inside = np.zeros(grid.shape, np.bool_)
    z0, y0, x0, z1, y1, x1 = (int(edge) for edge in box.place.edges)
    inside[z0:z1, y0:y1, x0:x1] = True
    rows, columns = np.nonzero(cut(inside, grid, plane))
    assert (top, left, bottom, right) == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)


def test_a_box_of_one_slice_that_was_fed_is_shown_on_that_slice() -> None:
    fed = VOLUME.grid.cropped((7, 0, 0), (1, *SHAPE[1:]))
    found = detected(VOLUME, detection(VOLUME, (3, 4, 20, 30), 0.9, fed=fed), fed=fed)
    assert crossing(VOLUME.grid, plane_to_show(VOLUME, found)) == (0, 7)


# Words ---------------------------------------------------------------------------------------------------


def line_of(monkeypatch: pytest.MonkeyPatch, of: Any) -> str:
    return next(text for text in words_of(monkeypatch, of) if text.startswith("1. "))


def test_the_list_tells_scores_and_millimetres(monkeypatch: pytest.MonkeyPatch) -> None:
    of = outcome(PICTURE, detected(PICTURE, detection(PICTURE, (100, 50, 200, 250), 0.9)))
    assert line_of(monkeypatch, of) == "1. Nodule: score 0.90 (threshold 0.30), 100.0 x 50.0 mm"


def test_of_a_volume_the_list_tells_depth_and_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    of = outcome(VOLUME, detected(VOLUME, detection(VOLUME, (10, 5, 5, 15, 20, 20), 0.9)))
    line = line_of(monkeypatch, of)
    assert line == "1. Nodule: score 0.90 (threshold 0.30), 30.0 x 37.5 x 20.0 mm, slices 11 to 15 of 24"


def test_without_a_known_spacing_the_size_is_told_in_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = picture_scan(np.zeros((100, 100), np.uint8))
    line = line_of(monkeypatch, outcome(plain, detected(plain, detection(plain, (10, 10, 30, 50), 0.9))))
    assert line.endswith("40 x 20 pixels, size in mm unknown")


def test_what_is_cut_off_or_larger_than_found_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    clipped = detection(PICTURE, (-10, 10, 30, 50), 0.9)
    assert "cut off at the border" in line_of(monkeypatch, outcome(PICTURE, detected(PICTURE, clipped)))
    enclosing = replace(clipped, place=replace(clipped.place, enclosing=True))
    assert "at most: it lies obliquely" in line_of(monkeypatch, outcome(PICTURE, detected(PICTURE, enclosing)))


def test_the_banner_counts_boxes_of_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [detection(PICTURE, (10, 10 * n, 50, 50 + n), 0.9 - 0.1 * n) for n in range(3)]
    tooth = detection(PICTURE, (90, 90, 99, 99), 0.5, name="tooth", finding=False)
    of = outcome(PICTURE, detected(PICTURE, *boxes, tooth, names=("nodule", "tooth")))
    assert words_of(monkeypatch, of)[0] == "FINDING (soon): 3 x Nodule"
    assert of.result.summary == "Finding: 3 x Nodule (soon)."


def test_what_is_no_finding_makes_no_finding_and_is_drawn() -> None:
    tooth = detection(PICTURE, (90, 90, 150, 150), 0.5, name="tooth", finding=False)
    of = outcome(PICTURE, detected(PICTURE, tooth, names=("caries", "tooth")))
    assert of.result.summary == "No finding. Looked for: Caries."
    assert at_colour(panel_of(pixels(of)), 1).size


def test_hundreds_of_boxes_stay_within_the_picture() -> None:
    generator = np.random.default_rng(5)
    corners = generator.uniform(0, 360, (200, 2))
    boxes = [detection(PICTURE, (y, x, y + 12, x + 12), 0.9) for y, x in corners]
    picture = pixels(outcome(PICTURE, detected(PICTURE, *boxes)))
    assert (picture[104:476, 506:518] == DARK).all()
    assert (picture[104:476, 1010:] == DARK).all()

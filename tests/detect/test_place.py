"""Boxes come back to the voxels and millimetres where the lesion was planted, whatever was done to the picture."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detect.layouts import one_per_label
from edge.detect.place import PlacedBox, place_box
from edge.detect.planted import DETECTIONS, one_per_label_net
from edge.geometry import Grid, Turn, canonical_turn
from edge.scan import Scan
from tests.detect.planting import extent, fed, found, planted_scan, run
from tests.read.dicom_files import all_turns, canonical_grid, rotated

Array = NDArray[Any]
Step = dict[str, object]
TURNS = list(all_turns())
FULL = rotated(canonical_grid((9, 24, 24)))


def step(name: str, **options: object) -> Step:
    return {"step": name, **options}


def placed(box: Any, fed_grid: Grid, source: Grid) -> PlacedBox:
    """Where a box lies that is on the source."""
    where = place_box(box, fed_grid, source)
    assert where is not None
    return where


def lesion_found(scan: Scan, size: int, side: int, *steps: Step) -> PlacedBox:
    """The only square of about this side, brought back to the scan."""
    feed = fed(scan, size, *steps)
    boxes = found(feed, side, least=0.1).boxes
    assert len(boxes) == 1
    return placed(boxes[0], feed.grid, scan.grid)


def millimetres(grid: Grid, *edges: float) -> Array:
    """A point given as edges (z, y, x), one axis after the other."""
    matrix = grid.matrix
    point: Array = matrix[:3, 3].copy()
    for axis, edge in enumerate(edges):
        point += matrix[:3, axis] * (edge - 0.5)
    return point


def as_set(points: Any) -> set[tuple[float, ...]]:
    return {tuple(round(float(value), 6) + 0.0 for value in point) for point in points}


# Pictures ------------------------------------------------------------------------------------------------


def test_without_any_step_a_box_is_exactly_the_lesion() -> None:
    scan = planted_scan((1, 32, 32), [(0, 5, 11, 1, 13, 19)])
    where = lesion_found(scan, 32, 8)
    assert where.edges == (0, 5, 11, 1, 13, 19)
    assert (where.enclosing, where.clipped) == (False, False)


@pytest.mark.parametrize(
    ("shape", "steps"),
    [
        ((41, 56), [step("center_crop_or_pad", height=32, width=32, fill=0.0)]),
        ((26, 60), [step("center_crop_or_pad", height=32, width=32, fill=0.0)]),
        ((32, 43), [step("center_square")]),
        ((24, 32), [step("letterbox", height=32, width=32, interpolation="area", fill=0.0)]),
        ((32, 19), [step("letterbox", height=32, width=32, interpolation="linear", fill=0.0)]),
    ],
)
def test_where_the_scale_is_1_crops_and_paddings_are_undone_exactly(shape: tuple[int, int], steps: list[Step]) -> None:
    top, left = shape[0] // 2 - 3, shape[1] // 2 - 5
    truth = (0, top, left, 1, top + 8, left + 8)
    assert lesion_found(planted_scan((1, *shape), [truth]), 32, 8, *steps).edges == truth


@pytest.mark.parametrize("interpolation", ["area", "linear"])
def test_a_lesion_on_whole_pixels_of_a_halved_picture_is_placed_exactly(interpolation: str) -> None:
    truth = (0, 12, 30, 1, 28, 46)
    scan = planted_scan((1, 48, 64), [truth])
    where = lesion_found(scan, 32, 8, step("letterbox", height=32, width=32, interpolation=interpolation, fill=0.0))
    assert where.edges == pytest.approx(truth, abs=1e-9)


@pytest.mark.parametrize(
    ("shape", "scale", "steps"),
    [
        ((50, 67), 48 / 67, [step("letterbox", height=48, width=48, interpolation="area", fill=0.0)]),
        ((37, 29), 48 / 37, [step("letterbox", height=48, width=48, interpolation="linear", fill=0.0)]),
        ((63, 63), 48 / 63, [step("resize", height=48, width=48, interpolation="linear")]),
        ((40, 71), 48 / 40, [step("center_square"), step("resize", height=48, width=48, interpolation="linear")]),
    ],
)
@pytest.mark.parametrize("corner", [(11, 9), (12, 17), (15, 14)])
def test_through_any_scale_a_box_lands_on_the_lesion_to_one_pixel(
    shape: tuple[int, int], scale: float, steps: list[Step], corner: tuple[int, int]
) -> None:
    side = round(9 / scale)
    top, left = corner[0], corner[1] + (shape[1] - shape[0]) // 2 * (shape[1] > shape[0])
    truth = (0, top, left, 1, top + side, left + side)
    scan = planted_scan((1, *shape), [truth])
    where = lesion_found(scan, 48, 9, *steps)
    assert np.abs(np.array(where.edges) - truth).max() <= 1.0


def test_a_stretched_picture_has_stretched_boxes() -> None:
    truth = (0, 8, 12, 1, 16, 36)
    scan = planted_scan((1, 32, 96), [truth])
    assert lesion_found(scan, 32, 8, step("resize", height=32, width=32, interpolation="area")).edges == truth


def test_every_lesion_of_a_picture_is_found_with_its_label() -> None:
    truths = [(0, 3, 4, 1, 11, 12), (0, 20, 18, 1, 28, 26), (0, 2, 22, 1, 7, 27)]
    feed = fed(planted_scan((1, 32, 32), truths), 32)
    given = found(feed, 5, 8)
    seen = {
        (int(label), placed(box, feed.grid, feed.grid).edges)
        for box, label in zip(given.boxes, given.labels, strict=True)
    }
    assert seen == {(1, truths[0]), (1, truths[1]), (0, truths[2])}


# What is known in millimetres ----------------------------------------------------------------------------


def test_a_picture_without_spacing_has_no_millimetres() -> None:
    where = placed((2, 3, 5, 9), Grid.of_picture(20, 20), Grid.of_picture(20, 20))
    assert (where.size_mm, where.centre_mm, where.corners_mm) == ((None, None, None), None, None)


def test_on_a_detector_sizes_are_known_and_places_in_the_patient_are_not() -> None:
    grid = Grid.of_picture(20, 20, spacing_mm=(0.5, 0.25))
    where = placed((2, 3, 5, 9), grid, grid)
    assert (where.size_mm, where.centre_mm, where.corners_mm) == ((None, 1.5, 1.5), None, None)


def test_a_single_slice_has_no_thickness() -> None:
    grid = rotated(canonical_grid((1, 20, 20)))
    where = placed((2, 3, 5, 9), grid, grid)
    assert where.size_mm[0] is None
    assert where.size_mm[1:] == pytest.approx((3 * 1.25, 6 * 0.75))
    assert where.centre_mm == pytest.approx(millimetres(grid, 0.5, 3.5, 6.0), abs=1e-9)
    assert where.corners_mm is not None
    assert as_set(where.corners_mm) == as_set(
        millimetres(grid, 0.5, y, x) for y, x in itertools.product((2, 5), (3, 9))
    )


def test_corners_go_along_x_first_then_y_then_z() -> None:
    grid = canonical_grid((4, 5, 6))
    where = placed((1, 2, 3, 2, 4, 6), grid, grid)
    expected = [millimetres(grid, z, y, x) for z in (1, 2) for y in (2, 4) for x in (3, 6)]
    assert np.allclose(np.array(where.corners_mm), expected, atol=1e-9)


# Volumes, turned every way -------------------------------------------------------------------------------


def turned_scan(turn: Turn, truth: tuple[int, ...]) -> Scan:
    """The same patient, with the axes of the file turned."""
    straight = planted_scan(FULL.shape, [truth], FULL)
    return replace(straight, voxels=np.ascontiguousarray(turn.apply(straight.voxels)), grid=turn.apply_grid(FULL))


def across_patient(truth: tuple[int, ...], turn: Turn) -> tuple[float, ...]:
    """The edges of a box of the straight volume in the turned one."""
    mask = np.zeros(FULL.shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(truth[:3], truth[3:], strict=True))] = True
    return extent(turn.apply(mask))


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_lesion_in_a_slice_of_a_turned_oblique_volume_is_placed_exactly(turn: Turn) -> None:
    truth = (2, 5, 9, 7, 13, 17)
    scan = turned_scan(turn, truth)
    where = lesion_found(scan, 24, 8, step("orient"), step("select_frame", at=0.5))
    middle_slice = (4, 5, 9, 5, 13, 17)
    assert where.edges == across_patient(middle_slice, turn)
    assert not where.enclosing
    assert where.centre_mm == pytest.approx(millimetres(FULL, 4.5, 9.0, 13.0), abs=1e-6)
    assert as_set(where.corners_mm) == as_set(
        millimetres(FULL, 4.5, y, x) for y, x in itertools.product((5, 13), (9, 17))
    )
    along_patient = (None, 8 * 1.25, 8 * 0.75)
    for axis, size in zip(turn.axes, where.size_mm, strict=True):
        assert size == (None if axis == 0 else pytest.approx(along_patient[axis]))


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_through_turn_crop_and_scale_together_a_box_is_placed_exactly(turn: Turn) -> None:
    source = turn.apply_grid(FULL)
    fed_grid = canonical_turn(source).apply_grid(source).cropped((2, -3, 4), (5, 30, 18)).resized((10, 60, 9))
    where = placed((2, 20, 1, 6, 34, 5), fed_grid, source)
    truth = (2 + 1, 20 / 2 - 3, 1 * 2 + 4, 2 + 3, 34 / 2 - 3, 5 * 2 + 4)
    assert where.edges == pytest.approx(across_patient(tuple(int(edge) for edge in truth), turn), abs=1e-9)
    expected = [millimetres(FULL, *corner) for corner in itertools.product(*zip(truth[:3], truth[3:], strict=True))]
    assert as_set(where.corners_mm) == as_set(expected)
    assert where.centre_mm == pytest.approx(np.mean(expected, axis=0), abs=1e-6)
    sizes = (2 * 2.5, 7 * 1.25, 8 * 0.75)
    assert where.size_mm == pytest.approx(tuple(sizes[axis] for axis in turn.axes))
    assert not where.enclosing


@pytest.mark.parametrize("turn", TURNS[::7], ids=str)
def test_an_organ_in_a_turned_volume_is_placed_exactly(turn: Turn) -> None:
    truths = ((2, 5, 9, 7, 10, 14), (1, 15, 3, 5, 19, 7))
    straight = planted_scan(FULL.shape, truths, FULL)
    source = turn.apply_grid(FULL)
    outputs = run(one_per_label_net(FULL.shape, (4, 5)), straight.voxels / 255)
    given = one_per_label(outputs, DETECTIONS, [0.5, 0.5], FULL.shape)
    for truth, box in zip(reversed(truths), given.boxes, strict=True):
        where = placed(box, canonical_turn(source).apply_grid(source), source)
        assert where.edges == pytest.approx(across_patient(truth, turn), abs=1e-5)
        assert where.centre_mm == pytest.approx(millimetres(FULL, *(np.array(truth[:3]) + truth[3:]) / 2), abs=1e-5)


@pytest.mark.parametrize(("at", "frame"), [(0.0, 0), (0.5, 2), (1.0, 3)])
def test_in_a_film_a_box_lies_on_the_frame_that_was_fed(at: float, frame: int) -> None:
    truths = [(0, 3, 4, 1, 11, 12), (2, 9, 15, 3, 17, 23), (3, 16, 2, 4, 24, 10)]
    scan = planted_scan((4, 32, 32), truths)
    where = lesion_found(scan, 32, 8, step("select_frame", at=at))
    assert where.edges == next(truth for truth in truths if truth[0] == frame)
    assert where.size_mm == (None, None, None)


# What is not straightforward -----------------------------------------------------------------------------


def test_of_an_oblique_resampling_the_enclosing_box_is_given_and_said_to_be() -> None:
    source = Grid.of((1, 100, 100), Grid.of_picture(100, 100).matrix, "patient")
    cosine, sine = np.cos(np.pi / 6), np.sin(np.pi / 6)
    about = np.array([[cosine, -sine, 0, 50], [sine, cosine, 0, 30], [0, 0, 1, 0], [0, 0, 0, 1]])
    turned = Grid.of((1, 40, 40), about @ source.matrix, "patient")
    where = placed((10, 10, 20, 14), turned, source)
    corners = [(about @ [x - 0.5, y - 0.5, 0, 1])[:2] + 0.5 for y, x in itertools.product((10, 20), (10, 14))]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    assert where.enclosing
    assert where.edges == pytest.approx((0, low[1], low[0], 1, high[1], high[0]))


def test_across_an_oblique_slice_the_enclosing_box_has_a_size() -> None:
    source = canonical_grid((20, 60, 60))
    angle = np.radians(20.0)
    tilt = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    matrix = source.matrix
    matrix[:3, :3] = tilt @ matrix[:3, :3]
    where = placed((20, 20, 32, 40), Grid.of((1, 60, 60), matrix, "patient"), source)
    assert where.enclosing
    across, along, side = (size or 0.0 for size in where.size_mm)
    assert across == pytest.approx(12 * 1.25 * np.sin(angle) + 2.5 * np.cos(angle))
    assert along == pytest.approx(12 * 1.25 * np.cos(angle) + 2.5 * np.sin(angle))
    assert side == pytest.approx(20 * 0.75)


def test_a_tilt_counts_by_how_far_it_leads_across_the_picture() -> None:
    source = Grid.of_picture(100, 100, spacing_mm=(1.0, 1.0))
    for tilt, oblique in ((1e-9, False), (1e-5, True)):
        matrix = source.matrix
        matrix[1, 2] = tilt
        assert placed((1, 1, 9, 9), Grid.of(source.shape, matrix, "detector"), source).enclosing == oblique


def test_a_solid_box_on_a_single_slice_has_no_thickness_either() -> None:
    grid = canonical_grid((1, 20, 20))
    assert placed((0, 2, 3, 1, 5, 9), grid, grid).size_mm[0] is None


def test_what_reaches_beyond_the_source_is_clipped_and_said_to_be() -> None:
    grid = Grid.of_picture(20, 30)
    where = placed((-4, 5, 8, 45), grid, grid)
    assert where.edges == (0, 0, 5, 1, 8, 30)
    assert where.clipped


def test_what_lies_in_the_padding_alone_is_nowhere() -> None:
    grid = Grid.of_picture(20, 30)
    padded = grid.cropped((0, -10, 0), (1, 40, 30))
    assert place_box((1, 1, 9, 9), padded, grid) is None
    assert place_box((1, 1, 11, 9), padded, grid) is not None
    assert place_box((0, 0, 10, 9), padded, grid) is None


def test_a_box_without_any_extent_is_nowhere() -> None:
    grid = Grid.of_picture(20, 30)
    assert place_box((5, 5, 5, 9), grid, grid) is None


def test_rounding_is_no_clipping() -> None:
    source = Grid.of_picture(700, 300, spacing_mm=(0.1, 0.3))
    fed_grid = source.resized((1, 299, 127)).cropped((0, -7, -91), (1, 320, 320))
    where = placed((7, 91, 306, 218), fed_grid, source)
    assert where.edges == pytest.approx((0, 0, 0, 1, 700, 300), abs=1e-9)
    assert not where.clipped


def test_a_flat_box_needs_a_single_slice() -> None:
    grid = canonical_grid()
    with pytest.raises(ValueError, match="4 slices were fed"):
        place_box((0, 0, 1, 1), grid, grid)


def test_grids_of_different_spaces_have_no_relation() -> None:
    with pytest.raises(ValueError, match="no relation"):
        place_box((0, 0, 1, 1), Grid.of_picture(4, 4), Grid.of_picture(4, 4, spacing_mm=(1.0, 1.0)))

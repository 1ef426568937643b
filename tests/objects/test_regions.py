"""Lines around what was found: exact, on the right slice, and read back by another way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.geometry import Grid, Turn
from edge.objects.regions import Mark, marks_of, outlines, slices_crossed
from edge.objects.regions_place import Picture, filled, near, on_grid_mm, points_mm, same_points, slice_of
from edge.testing import phantom_scan
from tests.objects.cases import scan_of
from tests.objects.planted import box, boxed, detected, headers_of, masked, segmented
from tests.read.dicom_files import all_turns, canonical_grid, enhanced, phantom, picture, rotated, series

SHAPE = (4, 5, 6)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.95])
def test_what_lies_inside_the_lines_is_the_mask_again(share: float) -> None:
    mask = np.random.default_rng(4).random((31, 47)) < share
    assert np.array_equal(filled(outlines(mask), mask.shape), mask)


def test_a_whole_picture_has_one_line_along_its_border() -> None:
    (line,) = outlines(np.ones((3, 5), dtype=bool))
    assert sorted(map(tuple, line[:-1].tolist())) == [(0, 0), (0, 3), (5, 0), (5, 3)]
    assert line[0].tolist() == line[-1].tolist()


def test_an_empty_mask_has_no_line() -> None:
    assert outlines(np.zeros((3, 5), dtype=bool)) == ()


def test_a_hole_has_a_line_that_runs_the_other_way() -> None:
    mask = np.ones((5, 5), dtype=bool)
    mask[2, 2] = False
    areas = sorted(_area(line) for line in outlines(mask))
    assert areas == [-1.0, 25.0]


def test_pixels_that_touch_at_a_corner_have_lines_of_their_own() -> None:
    assert len(outlines(np.eye(3, dtype=bool))) == 3


def _area(line: np.ndarray) -> float:
    x, y = line.T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def test_a_box_that_ends_on_an_edge_does_not_reach_into_the_next_slice() -> None:
    assert slices_crossed((1.0, 0, 0, 2.00001, 1, 1)) == range(1, 2)
    assert slices_crossed((1.9, 0, 0, 2.1, 1, 1)) == range(1, 3)
    assert slices_crossed((1.99999, 0, 0, 2.00001, 1, 1)) == range(2, 3)


def test_a_box_is_marked_on_every_slice_that_it_reaches_into(tmp_path: Path) -> None:
    scan = scan_of(series(phantom(), canonical_grid()), tmp_path)
    marks = list(marks_of(detected(scan, box(scan, (1, 1.5, 2, 3, 4, 5))), scan.grid))
    assert [mark.z for mark in marks] == [1, 2]
    assert marks[0].lines[0].tolist() == [[2, 1.5], [5, 1.5], [5, 4], [2, 4], [2, 1.5]]
    assert marks[0].words == "1. Nodule: 0.90"


def test_a_plane_across_the_slices_is_marked_by_its_box_alone(tmp_path: Path) -> None:
    scan = scan_of(series(phantom(), canonical_grid()), tmp_path)
    across = Turn(axes=(1, 0, 2), flips=(False, False, False)).apply_grid(scan.grid).cropped((2, 0, 0), (1, 4, 6))
    found = masked(boxed((1, 2, 3, 4), across, scan.grid), np.ones((4, 6), dtype=bool), across)
    marks = list(marks_of(detected(scan, found), scan.grid))
    assert {mark.kind for mark in marks} == {"box"}
    assert [mark.z for mark in marks] == [1, 2]
    assert marks[0].lines[0][:, 1].min() == 2.0


def test_the_outline_of_one_frame_lies_on_that_frame(tmp_path: Path) -> None:
    scan = scan_of(series(phantom(), canonical_grid()), tmp_path)
    seen = scan.grid.cropped((2, 0, 0), (1, 5, 6))
    mask = np.zeros((5, 6), dtype=bool)
    mask[1:3, 2:5] = True
    found = masked(boxed((1, 2, 3, 5), seen, scan.grid), mask, seen)
    (of_box, outline) = marks_of(detected(scan, found), scan.grid)
    assert (of_box.z, outline.z, outline.kind) == (2, 2, "outline")


def test_findings_are_marked_before_what_is_none() -> None:
    grid = Grid.of_picture(4, 4, spacing_mm=(1.0, 1.0))
    numbers = [mark.number for mark in _two_regions(grid)]
    assert numbers == [2, 1]


def _two_regions(grid: Grid) -> list[Mark]:
    scan = replace(phantom_scan((1, 4, 4)), grid=grid)
    large, small = np.zeros((2, 1, 4, 4), dtype=bool)
    large[0, :3], small[0, 3, 3] = True, True
    found = segmented(scan, large, small)
    organ = replace(found.regions[0], finding=False)
    return list(marks_of(replace(found, regions=(organ, found.regions[1])), grid))


@pytest.mark.parametrize("turn", list(all_turns()), ids=str)
def test_a_header_places_points_as_the_grid_does(turn: Turn, tmp_path: Path) -> None:
    """All 48 orientations of an oblique volume: the reader's grid and the headers' own words."""
    grid = turn.apply_grid(rotated(canonical_grid()))
    scan = scan_of(series(turn.apply(phantom()), grid), tmp_path)
    corners = np.array([[0.0, 0.0], [6.0, 1.5], [2.25, 5.0]])
    headers = headers_of(scan)
    for z, (source, _) in enumerate(scan.places):
        assert near(points_mm(headers[source], 1, corners), on_grid_mm(scan.grid, z, corners), 1e-4)


def test_a_frame_of_an_enhanced_object_is_found_by_its_place(tmp_path: Path) -> None:
    scan = scan_of([enhanced(phantom(), canonical_grid())], tmp_path)
    (header,) = headers_of(scan)
    for z, (_, frame) in enumerate(scan.places):
        at = Picture(sop_instance_uid=str(header.SOPInstanceUID), frame=frame + 1)
        assert slice_of(header, at, scan.grid) == z


def test_a_picture_that_lies_elsewhere_is_no_slice(tmp_path: Path) -> None:
    scan = scan_of(series(phantom(), canonical_grid()), tmp_path)
    header = headers_of(scan)[0]
    header.ImagePositionPatient = [0, 0, 0]
    assert slice_of(header, Picture(sop_instance_uid="1", frame=1), scan.grid) is None


def test_a_picture_without_a_place_has_no_millimetres() -> None:
    with pytest.raises(KeyError):
        points_mm(picture(np.zeros((4, 4), np.uint8)), 1, np.zeros((1, 2)))


def test_points_are_the_same_whatever_their_order() -> None:
    one = np.array([[0.0, 0, 0], [1, 2, 3]])
    assert same_points(one, one[::-1], 0.01)
    assert same_points(one, np.repeat(one, 2, axis=0), 0.01)
    assert not same_points(one, one[:1], 0.01)
    assert not same_points(one[:0], one, 0.01)

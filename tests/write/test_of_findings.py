"""What the report says of findings: the slice that was seen, and no length in a unit that nobody told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.geometry import Grid, Turn
from edge.scan import Scan, Stack
from edge.write.of_findings import findings_report, slice_report
from edge.write.report import DetectionReport, RegistrationReport, SegmentationReport
from tests.write.outcomes import classified, picture_scan, score, segmented
from tests.write.planted import ball, detected, detection, registration, segmented_volume, volume_scan

Array = NDArray[Any]


def several(count: int = 24, *, stack: Stack = "volume") -> Scan:
    """A volume of two files, whose second holds all slices but the first."""
    scan = volume_scan()
    places = ((0, 0), *((1, z) for z in range(count - 1)))
    return replace(scan, stack=stack, places=places, sources=scan.sources * 2)


def seen(scan: Scan, turn: Sequence[int], at: int) -> Any:
    """What is said of a plane across the first axis of `turn`."""
    a, b, c = turn
    turned = Turn(axes=(a, b, c), flips=(False, False, False)).apply_grid(scan.grid)
    plane = turned.cropped((at, 0, 0), (1, *turned.shape[1:]))
    return slice_report(scan, replace(classified(scan, score("A", 0.9)), grid=plane))


@pytest.mark.parametrize(("at", "source", "frame"), [(0, 0, 0), (1, 1, 0), (23, 1, 22)])
def test_a_slice_is_named_with_the_file_that_holds_it(at: int, source: int, frame: int) -> None:
    found = seen(several(), (0, 1, 2), at)
    assert (found.across, found.index, found.count) == ("slice", at, 24)
    assert (found.source, found.frame) == (source, frame)


def test_a_frame_is_called_one() -> None:
    assert seen(several(stack="frames"), (0, 1, 2), 5).across == "frame"


@pytest.mark.parametrize(("turn", "across", "count"), [((1, 0, 2), "row", 40), ((2, 0, 1), "column", 48)])
def test_a_plane_across_the_slices_lies_in_no_single_file(turn: tuple[int, int, int], across: str, count: int) -> None:
    found = seen(several(), turn, 7)
    assert (found.across, found.index, found.count, found.source, found.frame) == (across, 7, count, None, None)


def test_a_prepared_slice_is_named_by_the_one_that_it_lies_on() -> None:
    """Cropped and made smaller within the slice."""
    scan = several()
    grid = scan.grid.cropped((9, 3, 4), (1, 20, 20)).resized((1, 8, 8))
    found = slice_report(scan, replace(classified(scan, score("A", 0.9)), grid=grid))
    assert found is not None
    assert found.index == 9


def test_of_a_scan_seen_whole_and_of_a_picture_no_slice_is_named() -> None:
    volume, picture = several(), picture_scan(np.zeros((8, 9), np.uint8))
    assert slice_report(volume, segmented_volume(volume, [ball((12, 20, 24), 9)])) is None
    assert slice_report(picture, classified(picture, score("A", 0.9))) is None


def test_volumes_and_diameters_in_no_known_unit_are_withheld() -> None:
    scan = volume_scan()
    found = segmented_volume(scan, [ball((12, 20, 24), 9)])
    told, untold = (findings_report(found, lengths_told=known) for known in (True, False))
    assert isinstance(told, SegmentationReport)
    assert isinstance(untold, SegmentationReport)
    (one,), (other,) = told.regions, untold.regions
    assert one.volume_ml is not None
    assert other == replace(one, volume_ml=None, diameter_mm=None, diameter_slice=None)


def test_areas_in_no_known_unit_are_withheld() -> None:
    scan = picture_scan(np.zeros((20, 20), np.uint8), spacing_mm=(0.5, 0.5))
    untold = findings_report(segmented(scan, np.ones((1, 20, 20), np.bool_)), lengths_told=False)
    assert isinstance(untold, SegmentationReport)
    assert (untold.regions[0].pixels, untold.regions[0].area_mm2) == (400, None)


def test_sizes_and_places_of_boxes_in_no_known_unit_are_withheld() -> None:
    scan = picture_scan(np.zeros((40, 60), np.uint8), spacing_mm=(0.5, 0.5))
    found = replace(detected(scan, detection(scan, (10, 20, 30, 50), 0.9)), outside=2)
    untold = findings_report(found, lengths_told=False)
    assert isinstance(untold, DetectionReport)
    (box,) = untold.boxes
    assert (box.size_mm, box.centre_mm) == ((None, None, None), None)
    assert box.edges == found.boxes[0].place.edges
    assert untold.outside == 2


def test_how_far_a_scan_was_moved_in_no_known_unit_is_withheld() -> None:
    found = registration(volume_scan(), folded=0.25)
    untold = findings_report(found, lengths_told=False)
    assert isinstance(untold, RegistrationReport)
    assert (untold.mean_mm, untold.largest_mm, untold.folded_share) == (None, None, 0.25)


def test_labels_in_windows_tell_their_own_grid() -> None:
    scan = picture_scan(np.zeros((20, 20), np.uint8))
    found = segmented(scan, np.ones((1, 20, 20), np.bool_))
    coarse = replace(found, grid=Grid.of_picture(10, 10), in_windows=True)
    whole, own = findings_report(found), findings_report(coarse)
    assert isinstance(whole, SegmentationReport)
    assert isinstance(own, SegmentationReport)
    assert (whole.grid, own.grid) == (None, coarse.grid)

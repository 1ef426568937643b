"""Proof of place of the structured report: right in every orientation, and a mirrored one is caught."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import OutputError
from edge.geometry import Grid, Turn
from edge.objects import sr, sr_groups, sr_proof, sr_regions
from edge.objects.sr_regions import Ground
from tests.objects.cases import scan_of
from tests.objects.planted import box, boxed, detected, made, read, segmented
from tests.objects.test_sr import items
from tests.read.dicom_files import all_turns, canonical_grid, enhanced, phantom, picture, rotated, series

SHAPE = (4, 5, 6)
Points = NDArray[np.float64]


@pytest.mark.parametrize("turn", list(all_turns()), ids=str)
def test_a_box_lies_where_it_was_found_in_every_orientation(turn: Turn, tmp_path: Path) -> None:
    """The writer proves itself; here its corners are compared once more with those of the box before any turn."""
    body = rotated(canonical_grid(SHAPE))
    scan = scan_of(series(turn.apply(phantom(SHAPE)), turn.apply_grid(body)), tmp_path)
    whole = boxed((1, 2, 3, 3, 4, 5), body, scan.grid)
    said = read(made("sr", scan, detected(scan, whole))["sr.dcm"])
    points = np.array([face.GraphicData for face in items(said, "Volume Surface")]).reshape(-1, 3)
    expected = np.array([corner(body, z, y, x) for z in (1, 3) for y in (2, 4) for x in (3, 5)])
    apart = np.linalg.norm(points[:, np.newaxis] - expected[np.newaxis], axis=2)
    assert apart.min(axis=0).max() < 0.01
    assert apart.min(axis=1).max() < 0.01


def corner(grid: Grid, z: float, y: float, x: float) -> Points:
    """The place of a corner of a box, given as edges."""
    placed: Points = (grid.matrix @ np.array([z - 0.5, y - 0.5, x - 0.5, 1.0]))[:3]
    return placed


def test_a_region_of_an_enhanced_object_lies_where_it_was_found(tmp_path: Path) -> None:
    scan = scan_of([enhanced(phantom(SHAPE), rotated(canonical_grid(SHAPE)))], tmp_path)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1:3, 2:4, 3] = True
    assert len(items(read(made("sr", scan, segmented(scan, mask))["sr.dcm"]), "Volume Surface")) == 2


def test_a_box_of_one_slice_is_a_plane_through_its_middle(tmp_path: Path) -> None:
    scan = scan_of(series(phantom(SHAPE), canonical_grid(SHAPE)), tmp_path)
    fed = scan.grid.cropped((2, 0, 0), (1, 5, 6))
    said = read(made("sr", scan, detected(scan, boxed((1, 2, 3, 4), fed, scan.grid)))["sr.dcm"])
    (region,) = items(said, "Image Region")
    points = np.array(region.GraphicData).reshape(-1, 3)
    assert len(points) == 5
    assert np.allclose(points[:, 2], corner(scan.grid, 2.5, 0, 0)[2])


def test_a_single_slice_has_no_invented_thickness(tmp_path: Path) -> None:
    grid = canonical_grid((1, 5, 6))
    scan = scan_of(series(phantom((1, 5, 6)), grid), tmp_path)
    mask = np.zeros((1, 5, 6), dtype=bool)
    mask[0, 1:3, 2:4] = True
    said = read(made("sr", scan, segmented(scan, mask))["sr.dcm"])
    assert [item.ValueType for item in items(said, "Image Region")] == ["SCOORD3D"]


def test_frames_are_named_where_there_is_no_space(tmp_path: Path) -> None:
    clip = picture(phantom(SHAPE), NumberOfFrames=4, Modality="US", SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1")
    scan = scan_of([clip], tmp_path)
    said = read(made("sr", scan, detected(scan, box(scan, (1, 1, 2, 3, 4, 5))))["sr.dcm"])
    regions = items(said, "Image Region")
    frames = [item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber for item in regions]
    assert frames == [2, 3]


def test_a_volume_without_a_frame_of_reference_names_its_slices(tmp_path: Path) -> None:
    slices = series(phantom(SHAPE), canonical_grid(SHAPE))
    for one in slices:
        del one.FrameOfReferenceUID
    scan = scan_of(slices, tmp_path)
    said = read(made("sr", scan, detected(scan, box(scan, (1, 1, 2, 3, 4, 5))))["sr.dcm"])
    assert [item.ValueType for item in items(said, "Image Region")] == ["SCOORD", "SCOORD"]


def _mirrored(edges: Any, axis: int, share: float) -> Points:
    found = _FACE(edges, axis, share)
    found[:, 2] = 6 - found[:, 2]
    return found


def _next_slice(edges: Any, axis: int, share: float) -> Points:
    return np.asarray(_FACE(edges, axis, share) + np.array([1.0, 0.0, 0.0]))


def _half_a_pixel(edges: Any, axis: int, share: float) -> Points:
    return np.asarray(_FACE(edges, axis, share) + np.array([0.0, 0.5, 0.5]))


def _swapped(edges: Any, axis: int, share: float) -> Points:
    return _FACE(edges, axis, share)[:, [0, 2, 1]]


_FACE = sr_regions._face


@pytest.mark.parametrize(
    "writer", [_mirrored, _next_slice, _half_a_pixel, _swapped], ids=lambda writer: writer.__name__
)
def test_a_writer_that_is_wrong_is_caught(
    writer: Callable[..., Points], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = scan_of(series(phantom(SHAPE), rotated(canonical_grid(SHAPE))), tmp_path)
    monkeypatch.setattr(sr_regions, "_face", writer)
    with pytest.raises(OutputError, match="elsewhere") as raised:
        made("sr", scan, detected(scan, box(scan, (1, 2, 3, 3, 4, 5))))
    assert raised.value.reason.code == "W803"


def test_a_region_on_the_wrong_frame_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = picture(phantom(SHAPE), NumberOfFrames=4, Modality="US", SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1")
    scan = scan_of([clip], tmp_path)
    right = Ground.image
    monkeypatch.setattr(Ground, "image", lambda self, z: right(self, 3 - z))
    with pytest.raises(OutputError, match="elsewhere"):
        made("sr", scan, detected(scan, box(scan, (0, 1, 2, 1, 4, 5))))


def test_a_region_that_is_missing_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = scan_of(series(phantom(SHAPE), canonical_grid(SHAPE)), tmp_path)
    all_groups = sr_groups.groups_of
    monkeypatch.setattr(sr, "groups_of", lambda *given: all_groups(*given)[1:])
    with pytest.raises(OutputError, match="1 regions are missing"):
        made("sr", scan, detected(scan, box(scan, (1, 2, 3, 3, 4, 5))))


def test_a_region_where_nothing_was_found_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = scan_of(series(phantom(SHAPE), canonical_grid(SHAPE)), tmp_path)
    monkeypatch.setattr(sr_proof, "_expected", lambda _: iter(()))
    with pytest.raises(OutputError, match="where nothing was found"):
        made("sr", scan, detected(scan, box(scan, (1, 2, 3, 3, 4, 5))))

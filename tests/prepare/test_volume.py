"""Steps for volumes: spacing, size, padding; voxels stay in their place in the patient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import PackError, ReadError
from edge.geometry import Grid
from edge.prepare.image import Image
from edge.testing import phantom, phantom_scan
from tests.prepare.images import apply, scan_of, step, volume_scan
from tests.read.dicom_files import canonical_grid, rotated

Array = NDArray[Any]
GRID = rotated(canonical_grid((6, 8, 10)))  # 2.5, 1.25 and 0.75 mm


def ramp(grid: Grid, *, along: int = 0) -> Array:
    """Each voxel's place in the patient along x, y or z, in mm."""
    index = np.indices(grid.shape).reshape(3, -1)
    places = grid.matrix[:3, :3] @ index + grid.matrix[:3, 3:]
    return np.asarray(places[along].reshape(grid.shape))


def done(grid: Grid, *steps: dict[str, object], along: int = 0) -> Image:
    return apply(volume_scan(ramp(grid, along=along), grid.matrix), *steps)


def inner(values: Array) -> Array:
    return values[1:-1, 1:-1, 1:-1]


@pytest.mark.parametrize("spacing", [(1.25, 1.25, 0.75), (2.5, 0.5, 0.5), (5.0, 2.5, 1.5), (1.0, 1.0, 1.0)])
def test_resampling_meets_the_spacing_but_for_rounding_and_keeps_the_extent(spacing: tuple[float, ...]) -> None:
    found = done(GRID, step("resample", spacing_mm=list(spacing)))
    extent = np.array(GRID.shape) * GRID.steps
    assert np.array(found.grid.shape) * found.grid.steps == pytest.approx(extent)
    assert np.abs(extent / spacing - found.grid.shape).max() <= 0.5
    first = [-0.5, -0.5, -0.5, 1.0]
    assert found.grid.matrix @ first == pytest.approx(GRID.matrix @ first)


@pytest.mark.parametrize("along", range(3))
@pytest.mark.parametrize(
    "named", [step("resample", spacing_mm=[1.0, 1.0, 1.0]), step("resize_volume", shape=[9, 7, 16])], ids=str
)
def test_every_voxel_shows_its_own_place(named: dict[str, object], along: int) -> None:
    """What rises evenly through the patient is interpolated without error."""
    found = done(GRID, named, along=along)
    assert found.voxels.dtype == np.float32
    assert inner(found.voxels) == pytest.approx(inner(ramp(found.grid, along=along)), abs=1e-3)


def test_orienting_before_resampling_gives_the_axes_of_the_patient() -> None:
    turned = Grid.of((10, 6, 8), GRID.matrix[:, [2, 0, 1, 3]], "patient")
    found = done(turned, step("orient"), step("resample", spacing_mm=[2.5, 1.25, 1.5]))
    assert found.grid.shape == (6, 8, 5)


def test_resampling_to_what_it_is_changes_no_value() -> None:
    voxels = phantom((4, 5, 6))
    found = apply(volume_scan(voxels, canonical_grid((4, 5, 6)).matrix), step("resample", spacing_mm=[2.5, 1.25, 0.75]))
    assert np.array_equal(found.voxels, voxels)
    assert found.voxels.dtype == np.float32


def test_a_single_slice_tells_no_thickness_and_stays_one() -> None:
    grid = canonical_grid((1, 8, 10))
    assert done(grid, step("resample", spacing_mm=[0.1, 0.625, 1.5])).grid.shape == (1, 16, 5)
    flat = scan_of(phantom((1, 8, 10)), spacing_mm=(0.5, 0.25))
    assert apply(flat, step("resample", spacing_mm=[9.0, 1.0, 1.0])).grid.shape == (1, 4, 2)


@pytest.mark.parametrize("scan", [phantom_scan((1, 4, 4)), phantom_scan((3, 4, 4), spacing_mm=(1.0, 1.0))])
def test_a_scan_of_unknown_spacing_is_refused(scan: Any) -> None:
    with pytest.raises(ReadError, match="expected one whose spacing is known") as caught:
        apply(scan, step("resample", spacing_mm=[1.0, 1.0, 1.0]))
    assert caught.value.reason.code == "C727"


@pytest.mark.parametrize(
    "named", [step("resample", spacing_mm=[1.0, 1.0, 1.0]), step("resize_volume", shape=[16, 10, 8])], ids=str
)
def test_what_does_not_fit_in_memory_is_refused_before_it_is_made(
    named: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.prepare.volume.budget_bytes", lambda: 4 * 1200 - 1)
    with pytest.raises(ReadError, match="GB, expected at most") as caught:
        done(GRID, named)
    assert caught.value.reason.code == "C728"
    monkeypatch.setattr("edge.prepare.volume.budget_bytes", lambda: 4 * 1280)
    assert done(GRID, named).voxels.nbytes <= 4 * 1280


@pytest.mark.parametrize("shape", [(4, 4, 4), (8, 12, 14), (5, 9, 10), (1, 8, 11)])
def test_padding_and_cutting_leave_voxels_in_their_place(shape: tuple[int, int, int]) -> None:
    found = done(GRID, step("pad_or_crop_volume", shape=list(shape), fill=-9999.0))
    assert found.voxels.shape == found.grid.shape == shape
    seen = found.voxels != -9999.0
    assert seen.sum() == np.prod(np.minimum(shape, GRID.shape))
    assert found.voxels[seen] == pytest.approx(ramp(found.grid)[seen], abs=1e-4)


def test_of_an_odd_difference_the_first_side_gives_up_one_more() -> None:
    voxels = np.arange(5.0).reshape(1, 1, 5)
    scan = volume_scan(voxels, canonical_grid((1, 1, 5)).matrix)
    assert apply(scan, step("pad_or_crop_volume", shape=[1, 1, 2])).voxels.ravel().tolist() == [2.0, 3.0]
    assert apply(scan, step("pad_or_crop_volume", shape=[1, 1, 6])).voxels.ravel().tolist() == [0.0, 1, 2, 3, 4, 0]


@pytest.mark.parametrize(
    "named",
    [
        step("resample", spacing_mm=[1.0, 0.0, 1.0]),
        step("resample", spacing_mm=[1.0, 1.0]),
        step("resize_volume", shape=[0, 4, 4]),
        step("pad_or_crop_volume", shape=[4, 4, 5000]),
    ],
    ids=str,
)
def test_impossible_sizes_are_refused_with_the_path_of_the_key(named: dict[str, object]) -> None:
    with pytest.raises(PackError, match=r"\$\.inputs\[0\]\.steps\[0\]\.(spacing_mm|shape)") as caught:
        done(GRID, named)
    assert caught.value.reason.code == "P401"

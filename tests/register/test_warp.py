"""A scan looked up along a field: what is known of shifts, scales and grids comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.geometry import Grid, resample
from edge.register.warp import field_mm, warp
from tests.read.dicom_files import all_turns, canonical_grid, rotated

Array = NDArray[Any]
SHAPE = (6, 7, 8)
TURNS = list(all_turns())


def values(shape: tuple[int, ...] = SHAPE) -> Array:
    return np.asarray(np.random.default_rng(2).uniform(-100, 100, shape)).astype(np.float32)


def constant(shift: tuple[float, float, float], shape: tuple[int, int, int] = SHAPE) -> Array:
    """The same displacement everywhere, shape (3, z, y, x)."""
    return np.array(np.broadcast_to(np.array(shift, np.float32).reshape(3, 1, 1, 1), (3, *shape)))


def test_no_displacement_gives_the_scan_itself() -> None:
    grid = rotated(canonical_grid(SHAPE))
    assert warp(values(), grid, constant((0, 0, 0)), grid) == pytest.approx(values(), abs=1e-3)


def test_a_voxel_of_displacement_is_a_step_of_the_grid() -> None:
    grid = rotated(canonical_grid(SHAPE))
    for axis, step in enumerate(((1, 0, 0), (0, 1, 0), (0, 0, 1))):
        field = field_mm(constant(step), grid)
        assert field[:, 0, 0, 0] == pytest.approx(grid.matrix[:3, axis], abs=1e-5)
        assert np.linalg.norm(field, axis=0) == pytest.approx(grid.steps[axis], rel=1e-5)


@pytest.mark.parametrize("shift", [(1, 0, 0), (0, -2, 0), (0, 0, 3), (1, 2, -1)])
def test_whole_voxels_shift_the_scan_against_the_displacement(shift: tuple[int, int, int]) -> None:
    """The result at x is the scan at x + u, so that what lies at x + u appears at x; beyond the scan is nothing."""
    grid, voxels = canonical_grid(SHAPE), values()
    found = warp(voxels, grid, field_mm(constant(shift), grid), grid)
    expected = resample(voxels, grid, grid.cropped(shift, SHAPE), fill=np.nan)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nan_to_num(found) == pytest.approx(np.nan_to_num(expected), abs=1e-2)


def test_half_a_voxel_gives_the_mean_of_two() -> None:
    grid, voxels = canonical_grid(SHAPE), values()
    found = warp(voxels, grid, field_mm(constant((0.5, 0, 0)), grid), grid)
    assert found[:-1] == pytest.approx((voxels[:-1] + voxels[1:]) / 2, abs=1e-3)


def test_the_extent_ends_half_a_voxel_beyond_the_outermost_centres() -> None:
    grid, voxels = canonical_grid(SHAPE), values()
    near = warp(voxels, grid, field_mm(constant((0, 0, 0.4)), grid), grid)
    far = warp(voxels, grid, field_mm(constant((0, 0, 0.6)), grid), grid)
    assert near[..., -1] == pytest.approx(voxels[..., -1], abs=1e-3)
    assert np.isnan(far[..., -1]).all()
    assert np.isfinite(far[..., :-1]).all()


@pytest.mark.parametrize("index", range(0, 48, 5))
def test_how_the_moving_scan_is_stored_makes_no_difference(index: int) -> None:
    grid, voxels = rotated(canonical_grid(SHAPE)), values()
    field = field_mm(np.random.default_rng(1).uniform(-1, 1, (3, *SHAPE)), grid)
    turn = TURNS[index]
    expected = warp(voxels, grid, field, grid)
    found = warp(turn.apply(voxels), turn.apply_grid(grid), field, grid)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nan_to_num(found) == pytest.approx(np.nan_to_num(expected), abs=1e-2)


def test_without_displacement_another_grid_is_plain_resampling() -> None:
    grid = canonical_grid(SHAPE)
    other = rotated(grid.resized((5, 9, 11)))
    voxels = values()
    found = warp(voxels, grid, np.zeros((3, *other.shape), np.float32), other)
    expected = resample(voxels, grid, other, fill=np.nan)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nan_to_num(found) == pytest.approx(np.nan_to_num(expected), abs=1e-3)


def test_a_displacement_that_is_no_number_gives_none() -> None:
    grid = canonical_grid(SHAPE)
    field = constant((0, 0, 0))
    field[1, 2, 3, 4] = np.nan
    found = warp(values(), grid, field, grid)
    assert np.argwhere(np.isnan(found)).tolist() == [[2, 3, 4]]


@given(st.tuples(*[st.integers(1, 4)] * 3))
def test_scans_of_any_size_are_looked_up(shape: tuple[int, int, int]) -> None:
    grid = canonical_grid(shape)
    assert warp(values(shape), grid, constant((0, 0, 0), shape), grid) == pytest.approx(values(shape), abs=1e-3)


def test_integers_are_looked_up_exactly() -> None:
    grid = Grid.of(SHAPE, np.eye(4)[[2, 1, 0, 3]], "patient")
    voxels = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    assert np.array_equal(warp(voxels, grid, constant((0, 0, 0)), grid), voxels)

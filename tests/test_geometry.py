"""Grids: voxels keep their place in the patient through every turn, crop and resampling."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.geometry import Grid, Turn, canonical_turn, index_map, resample, slice_seen
from edge.testing import phantom

Array = NDArray[Any]

TURNS = [
    Turn(axes=(a, b, c), flips=(flip_a, flip_b, flip_c))
    for a, b, c in itertools.permutations(range(3))
    for flip_a, flip_b, flip_c in itertools.product((False, True), repeat=3)
]
AXIAL = np.array([[0, 0, 0.7, -50.0], [0, 0.5, 0, 20.0], [2.5, 0, 0, -7.0], [0, 0, 0, 1]])
PHANTOM = phantom((4, 5, 6))


def axial_grid(shape: Sequence[int] = (4, 5, 6)) -> Grid:
    """A grid whose axes are the patient's, with three different steps."""
    return Grid.of(shape, AXIAL, "patient")


def rotation(z: float, y: float, x: float) -> Array:
    """A (4, 4) rotation by three angles, in radians."""
    matrix = np.eye(4)
    for angle, (i, j) in zip((z, y, x), ((0, 1), (0, 2), (1, 2)), strict=True):
        part = np.eye(4)
        part[[i, i, j, j], [i, j, i, j]] = [np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)]
        matrix = matrix @ part
    return matrix


def place_of(grid: Grid, index: Sequence[float] | Array) -> Array:
    """Where a voxel's centre lies in space."""
    return np.asarray((grid.matrix @ [*index, 1.0])[:3])


def slow_sample(voxels: Array, source: Grid, target: Grid, *, linear: bool, fill: float) -> Array:
    """The definition of resampling, a voxel at a time."""
    result = np.full(target.shape, fill, dtype=np.float64)
    back = np.linalg.inv(source.matrix) @ target.matrix
    size = np.array(source.shape)
    for index in np.ndindex(*target.shape):
        at = (back @ [*index, 1.0])[:3]
        if np.any(at < -0.5) or np.any(at > size - 0.5):
            continue
        at = at.clip(0, size - 1)
        if not linear:
            result[index] = voxels[tuple(np.floor(at + 0.5).astype(int))]
            continue
        low = np.floor(at).astype(int)
        result[index] = sum(
            voxels[tuple(np.minimum(low + corner, size - 1))]
            * np.prod([part if up else 1 - part for part, up in zip(at - low, corner, strict=True)])
            for corner in itertools.product((0, 1), repeat=3)
        )
    return result


# Turns ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_volume_stored_in_any_order_and_direction_of_axes_is_turned_to_the_same_one(turn: Turn) -> None:
    stored, grid = turn.apply(PHANTOM), turn.apply_grid(axial_grid())
    back = canonical_turn(grid)
    assert np.array_equal(back.apply(stored), PHANTOM)
    turned = back.apply_grid(grid)
    assert turned.shape == (4, 5, 6)
    assert np.allclose(turned.matrix, AXIAL, atol=1e-12)


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_mask_comes_back_on_the_voxels_that_were_stored_exactly(turn: Turn) -> None:
    stored, grid = turn.apply(PHANTOM), turn.apply_grid(axial_grid())
    found = (PHANTOM > 900).astype(np.uint8)
    mask = resample(found, axial_grid(), grid, interpolation="nearest")
    assert mask.dtype == np.uint8
    assert np.array_equal(mask.astype(bool), stored > 900)


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_linear_resampling_between_turned_grids_is_an_exact_copy_in_the_same_dtype(turn: Turn) -> None:
    moved = resample(PHANTOM, axial_grid(), turn.apply_grid(axial_grid()), interpolation="linear")
    assert moved.dtype == PHANTOM.dtype
    assert np.array_equal(moved, turn.apply(PHANTOM))


def test_turning_keeps_the_channels_of_a_colour_volume_together() -> None:
    colours = np.stack([PHANTOM, PHANTOM + 1, PHANTOM + 2], axis=-1)
    turn = Turn(axes=(2, 0, 1), flips=(True, False, True))
    turned = turn.apply(colours)
    assert turned.shape == (6, 4, 5, 3)
    assert np.array_equal(turned[..., 2] - turned[..., 0], np.full((6, 4, 5), 2))
    assert np.array_equal(resample(colours, axial_grid(), turn.apply_grid(axial_grid())), turned)


def test_an_oblique_volume_is_turned_along_its_nearest_axes_and_stays_oblique() -> None:
    tilted = Grid.of((4, 5, 6), rotation(0.3, -0.2, 0.1) @ AXIAL, "patient")
    turn = Turn(axes=(1, 2, 0), flips=(False, True, True))
    back = canonical_turn(turn.apply_grid(tilted))
    assert np.array_equal(back.apply(turn.apply(PHANTOM)), PHANTOM)
    assert np.allclose(back.apply_grid(turn.apply_grid(tilted)).matrix, tilted.matrix)


def test_a_picture_without_a_place_in_the_patient_is_never_turned() -> None:
    upside_down = Turn(axes=(0, 1, 2), flips=(False, True, True)).apply_grid(Grid.of_picture(4, 6, (0.2, 0.2)))
    assert canonical_turn(upside_down) == Turn(axes=(0, 1, 2), flips=(False, False, False))


@given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    turn=st.sampled_from(TURNS),
    start=st.tuples(*[st.integers(-3, 3)] * 3),
    index=st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
)
def test_a_voxel_keeps_its_place_in_the_patient_when_it_is_turned_and_cropped(
    angles: tuple[float, float, float], turn: Turn, start: tuple[int, int, int], index: tuple[int, int, int]
) -> None:
    grid = Grid.of((4, 5, 6), rotation(*angles) @ AXIAL, "patient")
    turned = turn.apply_grid(grid)
    before = [0, 0, 0]
    for axis, flip, at in zip(turn.axes, turn.flips, index, strict=True):
        before[axis] = grid.shape[axis] - 1 - at if flip else at
    assert np.allclose(place_of(turned, index), place_of(grid, before))
    cropped = turned.cropped(start, (3, 3, 3))
    assert np.allclose(
        place_of(cropped, [at - first for at, first in zip(index, start, strict=True)]), place_of(turned, index)
    )


@given(shape=st.tuples(*[st.integers(1, 9)] * 3), other=st.tuples(*[st.integers(1, 9)] * 3))
def test_a_resized_grid_covers_the_same_extent_from_edge_to_edge(
    shape: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    grid, resized = axial_grid(shape), axial_grid(shape).resized(other)
    assert np.allclose(place_of(resized, (-0.5, -0.5, -0.5)), place_of(grid, (-0.5, -0.5, -0.5)))
    assert np.allclose(place_of(resized, np.array(other) - 0.5), place_of(grid, np.array(shape) - 0.5))
    assert np.allclose(resized.resized(shape).matrix, grid.matrix)


# Resampling ----------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(angles=st.tuples(*[st.floats(-3, 3)] * 3), shift=st.tuples(*[st.floats(-2, 2)] * 3), scale=st.floats(0.6, 1.7))
def test_oblique_resampling_agrees_with_its_definition(
    angles: tuple[float, float, float], shift: tuple[float, float, float], scale: float
) -> None:
    change = rotation(*angles) @ np.diag([scale, scale, scale, 1.0])
    change[:3, 3] = shift
    source = axial_grid()
    target = Grid.of((3, 4, 5), source.matrix @ change, "patient")
    linear = resample(PHANTOM, source, target, interpolation="linear", fill=-5.0)
    wanted = slow_sample(PHANTOM, source, target, linear=True, fill=-5.0)
    # On the very border rounding may decide either way; elsewhere it is float32's precision.
    back = np.linalg.inv(source.matrix) @ target.matrix
    places = np.stack([*np.indices(target.shape), np.ones(target.shape)], axis=-1) @ back.T
    near = np.abs(np.abs(places[..., :3] + 0.5 - np.rint(places[..., :3] + 0.5))).min(axis=-1) < 1e-6
    assert np.allclose(linear[~near], wanted[~near], atol=0.01)
    nearest = resample(PHANTOM, source, target, interpolation="nearest", fill=-5.0)
    wanted = slow_sample(PHANTOM, source, target, linear=False, fill=-5.0)
    assert np.array_equal(nearest[~near], wanted[~near])


def test_a_tilt_too_small_to_see_still_moves_the_far_end_of_a_wide_volume() -> None:
    source = Grid.of((1, 3, 8000), np.eye(4), "patient")
    shear = np.eye(4)
    shear[1, 2] = 9e-5  # 0.72 of a row at the far end
    rows = np.broadcast_to(np.arange(3.0)[:, np.newaxis] * 100, (1, 3, 8000)).astype(np.float32)
    target = Grid.of(source.shape, source.matrix @ shear, "patient")
    moved = resample(rows, source, target, interpolation="linear")
    assert moved[0, 0, 7999] == pytest.approx(71.991, abs=0.01)
    assert moved[0, 0, 0] == 0.0


@pytest.mark.parametrize("size", [(7, 9), (3, 4), (12, 10), (1, 1), (25, 3)])
def test_linear_resampling_to_a_resized_grid_is_what_opencv_does(size: tuple[int, int]) -> None:
    picture = phantom((1, 6, 8)).astype(np.float32)
    grid = Grid.of_picture(6, 8)
    mine = resample(picture, grid, grid.resized((1, *size)), interpolation="linear")
    theirs = cv2.resize(picture[0], size[::-1], interpolation=cv2.INTER_LINEAR)
    assert np.allclose(mine[0], theirs, atol=1e-3)


def test_padding_and_cutting_back_gives_the_same_voxels() -> None:
    grid = axial_grid()
    larger = grid.cropped((-1, -2, -3), (7, 9, 11))
    padded = resample(PHANTOM, grid, larger, fill=-1000)
    assert padded[0, 0, 0] == -1000
    assert (padded == -1000).sum() == 7 * 9 * 11 - PHANTOM.size
    assert np.array_equal(resample(padded, larger, grid), PHANTOM)


def test_enlarging_by_a_whole_number_and_coming_back_by_nearest_gives_the_same_voxels() -> None:
    grid = axial_grid()
    finer = grid.resized((12, 15, 18))
    repeated = resample(PHANTOM, grid, finer, interpolation="nearest")
    assert np.array_equal(repeated, PHANTOM.repeat(3, 0).repeat(3, 1).repeat(3, 2))
    assert np.array_equal(resample(repeated, finer, grid, interpolation="nearest"), PHANTOM)


def test_nothing_is_found_more_than_half_a_voxel_outside_the_source() -> None:
    grid = Grid.of_picture(1, 2)
    matrix = grid.matrix
    matrix[0, 2], matrix[0, 3] = 0.25, -1.0
    finer = Grid.of((1, 1, 13), matrix, "pixel")
    row = resample(np.array([[[10.0, 20.0]]], np.float32), grid, finer, fill=-1.0)[0, 0]
    assert row.tolist() == [-1, -1, 10, 10, 10, 12.5, 15, 17.5, 20, 20, 20, -1, -1]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("fill", [-1024.0, 0.5, 300.0, 1.0, 0.0])
def test_a_fill_that_the_dtype_cannot_express_is_not_wrapped_around(dtype: str, fill: float) -> None:
    grid = Grid.of_picture(1, 2)
    row = np.array([[[1, 0]]], dtype=dtype)
    padded = resample(row, grid, grid.cropped((0, 0, -1), (1, 1, 4)), fill=fill)
    assert padded[0, 0].tolist() == [fill, 1, 0, fill]
    exact = dtype.startswith("float") or (
        fill.is_integer() and float(np.array(fill).astype("i4").astype(dtype)) == fill
    )
    assert (padded.dtype == dtype) == exact


def test_an_area_beyond_nan_is_told_from_values() -> None:
    grid = Grid.of_picture(2, 2)
    padded = resample(np.zeros((1, 2, 2), np.uint8), grid, grid.cropped((0, 0, 0), (1, 2, 3)), fill=np.nan)
    assert np.isnan(padded[0, :, 2]).all()
    assert not np.isnan(padded[0, :, :2]).any()


# Maps between grids --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(("patient", "detector", "pixel"), 2)))
def test_grids_in_different_spaces_have_no_map(one: Any, other: Any) -> None:
    with pytest.raises(ValueError, match=f"{other} space to one in {one} space"):
        index_map(Grid.of((1, 2, 2), np.eye(4), one), Grid.of((1, 2, 2), np.eye(4), other))


def test_a_singular_grid_is_an_error_and_not_a_result() -> None:
    flat = np.eye(4)
    flat[2, 2] = 0.0
    with pytest.raises(ValueError, match="Singular"):
        resample(PHANTOM, Grid.of((4, 5, 6), flat, "patient"), axial_grid())


def test_rounding_of_a_header_does_not_make_a_copy_into_an_interpolation() -> None:
    tilted = rotation(0.3, -0.2, 0.1) @ AXIAL
    rounded = np.round(tilted, 7)
    copied = resample(PHANTOM, Grid.of((4, 5, 6), tilted, "patient"), Grid.of((4, 5, 6), rounded, "patient"))
    assert copied.dtype == PHANTOM.dtype
    assert np.array_equal(copied, PHANTOM)


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_the_slice_that_a_model_saw_is_found_across_any_axis(turn: Turn) -> None:
    grid = axial_grid()
    fed = turn.apply_grid(grid)
    fed = fed.cropped((1, 0, 0), (1, *fed.shape[1:])).resized((1, 11, 13))
    seen = slice_seen(grid, fed)
    at = PHANTOM.shape[turn.axes[0]] - 2 if turn.flips[0] else 1
    assert np.array_equal(resample(PHANTOM, grid, seen)[0], PHANTOM.take(at, axis=turn.axes[0]))


# What a grid tells of itself -----------------------------------------------------------------------------


def test_a_grid_tells_steps_areas_and_volumes_where_it_knows_them() -> None:
    grid = axial_grid()
    assert grid.steps == pytest.approx((2.5, 0.5, 0.7))
    assert grid.pixel_area_mm2 == pytest.approx(0.35)
    assert grid.voxel_volume_mm3 == pytest.approx(0.875)
    one_slice = grid.cropped((2, 0, 0), (1, 5, 6))
    assert one_slice.voxel_volume_mm3 is None
    assert one_slice.pixel_spacing_mm == pytest.approx((0.5, 0.7))


def test_a_picture_without_spacing_claims_no_millimetres() -> None:
    grid = Grid.of_picture(4, 6)
    assert grid.pixel_spacing_mm is None
    assert grid.pixel_area_mm2 is None
    assert grid.voxel_volume_mm3 is None
    assert Grid.of_picture(4, 6, (0.1, 0.1)).voxel_volume_mm3 is None

"""Landmarks and folds against displacements whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.displacement import folded_share, target_registration_error, warp
from edge.errors import UsageError
from edge.geometry import Grid

Field = NDArray[np.float64]
SHAPE = (6, 8, 10)


def scan(sides: tuple[float, float, float] = (2.5, 0.7, 0.9), *, turned: bool = False) -> Grid:
    """Axes along those of the patient, or turned about all three of them."""
    a, b = (0.4, -0.7) if turned else (0.0, 0.0)
    about_z = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_x @ np.fliplr(np.diag(sides[::-1]))
    matrix[:3, 3] = (-30.0, 12.0, 105.0)
    return Grid.of(SHAPE, matrix, "patient")


def places(grid: Grid) -> Field:
    """(x, y, z) in mm of every voxel: (3, z, y, x)."""
    index = np.indices(grid.shape).reshape(3, -1)
    at = grid.matrix @ np.vstack([index, np.ones(index.shape[1])])
    return np.asarray(at[:3].reshape(3, *grid.shape))


def linear(grid: Grid, matrix: list[list[float]]) -> Field:
    """The field that maps x to `matrix` @ x."""
    at = places(grid)
    return np.asarray(np.einsum("ij,jzyx->izyx", np.array(matrix), at) - at)


def test_landmarks_in_their_place_have_no_error() -> None:
    points = np.random.default_rng(0).random((5, 3))
    assert target_registration_error(points, points) == 0.0


def test_the_error_is_the_mean_distance() -> None:
    true = np.random.default_rng(1).random((2, 3))
    off = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, -1.0]])
    assert target_registration_error(true + off, true) == pytest.approx(3.0)


def test_a_landmark_that_is_no_number_is_not_hidden() -> None:
    true = np.zeros((3, 3))
    warped = true.copy()
    warped[1, 2] = np.nan
    assert math.isnan(target_registration_error(warped, true))


@pytest.mark.parametrize(("warped", "true"), [((0, 3), (0, 3)), ((2, 3), (3, 3)), ((2, 2), (2, 2)), ((3,), (3,))])
def test_landmarks_of_other_shapes_are_refused(warped: tuple[int, ...], true: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"expected \(n, 3\) for both"):
        target_registration_error(np.zeros(warped), np.zeros(true))


@pytest.mark.parametrize("turned", [False, True])
def test_a_translation_takes_every_point_along(turned: bool) -> None:
    grid = scan(turned=turned)
    shift = np.array([1.0, -2.0, 0.5])
    field = np.broadcast_to(shift[:, None, None, None], (3, *SHAPE))
    points = places(grid).reshape(3, -1).T[::7]
    np.testing.assert_allclose(warp(points, field, grid), points + shift)


@pytest.mark.parametrize("turned", [False, True])
def test_a_linear_map_is_exact_between_voxels(turned: bool) -> None:
    grid = scan(turned=turned)
    matrix = [[1.1, 0.2, 0.0], [0.0, 0.9, -0.1], [0.3, 0.0, 1.2]]
    index = np.random.default_rng(2).random((3, 40)) * (np.array(SHAPE)[:, None] - 1)
    points = (grid.matrix @ np.vstack([index, np.ones(40)]))[:3].T
    np.testing.assert_allclose(warp(points, linear(grid, matrix), grid), points @ np.array(matrix).T, atol=1e-9)


def test_landmarks_warped_by_the_true_field_have_no_error() -> None:
    grid = scan()
    matrix = [[1.0, 0.1, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.8]]
    fixed = places(grid)[:, 1:5, 2:6, 3:7].reshape(3, -1).T + 0.3
    moving = fixed @ np.array(matrix).T
    assert target_registration_error(warp(fixed, linear(grid, matrix), grid), moving) == pytest.approx(0.0, abs=1e-9)
    assert target_registration_error(warp(fixed, np.zeros((3, *SHAPE)), grid), moving) > 1.0


def test_half_a_voxel_beyond_the_centres_the_field_is_held() -> None:
    grid = scan((1.0, 1.0, 1.0))
    corner = grid.matrix[:3, 3]
    field = places(grid) - corner[:, None, None, None]
    assert warp((corner - 0.5)[np.newaxis], field, grid)[0] == pytest.approx(corner - 0.5)


@pytest.mark.parametrize("point", [(-32.0, 12.0, 105.0), (0.0, 0.0, 0.0), (np.nan, 12.0, 105.0)])
def test_points_off_the_scan_are_refused(point: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match="Warping 1 landmarks: 1 are no numbers or lie outside"):
        warp(np.array([point]), np.zeros((3, *SHAPE)), scan())


@pytest.mark.parametrize("turned", [False, True])
def test_a_translation_folds_nothing(turned: bool) -> None:
    assert folded_share(np.full((3, *SHAPE), -17.3), scan(turned=turned)) == 0.0


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("matrix", "share"),
    [
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 0.0),
        ([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], 0.0),
        ([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]], 0.0),
        ([[0.1, 5.0, 0.0], [0.0, 0.1, 0.0], [0.0, 7.0, 0.1]], 0.0),
        ([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 1.0),
        ([[1.0, 0.0, 0.0], [0.0, -0.2, 0.0], [0.0, 0.0, 1.0]], 1.0),
        ([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], 1.0),
        ([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]], 1.0),
    ],
    ids=["identity", "quarter-turn", "half-turn", "sheared", "mirrored", "shrunk-past-0", "swapped", "inverted"],
)
def test_a_linear_map_folds_everywhere_or_nowhere(matrix: list[list[float]], share: float, turned: bool) -> None:
    grid = scan(turned=turned)
    assert folded_share(linear(grid, matrix), grid) == share


def test_a_map_onto_a_plane_is_folded() -> None:
    grid = Grid.of((4, 4, 4), np.eye(4)[[2, 1, 0, 3]], "patient")
    assert folded_share(linear(grid, [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), grid) == 1.0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_fold_made_by_hand_is_counted(axis: int) -> None:
    """One plane of voxels is pushed back by 2.5 steps, beyond the two before it."""
    sides = (2.5, 0.7, 0.9)
    field = np.zeros((3, *SHAPE))
    np.moveaxis(field[2 - axis], axis, 0)[3] = -2.5 * sides[axis]
    # At 2 the slope is -2.5 / 2, below -1: folded. At 4 it is +2.5 / 2. At 3 it is 0.
    assert folded_share(field, scan(sides)) == 1 / SHAPE[axis]


def test_steps_are_measured_in_millimetres() -> None:
    """The same field folds voxels of 1 mm and leaves those of 2 mm in order."""
    field = np.zeros((3, *SHAPE))
    field[0] = -1.5 * np.arange(SHAPE[2])
    assert folded_share(field, scan((1.0, 1.0, 1.0))) == 1.0
    assert folded_share(field, scan((1.0, 1.0, 2.0))) == 0.0


def test_the_outermost_voxels_are_measured_on_one_side() -> None:
    field = np.zeros((3, *SHAPE))
    field[2, 0] = 2.0
    # Between the first two slices the slope is -2 over 1 mm; at the second it is -2 over 2 mm, which makes 0.
    assert folded_share(field, scan((1.0, 1.0, 1.0))) == 2 / SHAPE[0]


def test_a_mirrored_scan_folds_no_more_than_the_scan_itself() -> None:
    grid = scan()
    field = np.random.default_rng(5).normal(scale=0.7, size=(3, *SHAPE))
    matrix = grid.matrix
    matrix[:, 3] = matrix @ [0, 0, SHAPE[2] - 1, 1]
    matrix[:, 2] *= -1
    share = folded_share(field, grid)
    assert 0.0 < share < 1.0
    assert folded_share(field[..., ::-1], Grid.of(SHAPE, matrix, "patient")) == share


def test_a_radiograph_folds_within_its_plane() -> None:
    grid = Grid.of_picture(8, 10, spacing_mm=(0.5, 0.5))
    field = np.zeros((3, 1, 8, 10))
    field[2] = np.random.default_rng(6).normal(scale=9.0, size=(1, 8, 10))
    assert folded_share(field, grid) == 0.0
    field[0] = -2 * 0.5 * np.arange(10)
    assert folded_share(field, grid) == 1.0


def test_the_field_stays_as_it_was_given() -> None:
    field = np.random.default_rng(7).normal(size=(3, *SHAPE)).astype(np.float32)
    before = field.copy()
    folded_share(field, scan())
    assert np.array_equal(field, before)


@pytest.mark.parametrize("shape", [(3, 6, 8, 9), (2, 6, 8, 10), (6, 8, 10, 3)])
def test_a_field_of_another_grid_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"found shape .*, expected \(3, 6, 8, 10\)"):
        folded_share(np.zeros(shape), scan())


def test_a_picture_without_a_size_has_no_millimetres() -> None:
    with pytest.raises(UsageError, match="its grid is in pixels, expected millimetres"):
        folded_share(np.zeros((3, 1, 4, 4)), Grid.of_picture(4, 4))


def test_a_field_that_is_no_number_is_refused() -> None:
    field = np.zeros((3, *SHAPE))
    field[1, 2, 3, 4:6] = [np.nan, np.inf]
    with pytest.raises(UsageError, match="2 values are no finite numbers"):
        folded_share(field, scan())

"""Folds: the share of the voxels where the Jacobian determinant of x + u(x) is not above 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import UsageError
from edge.geometry import Grid
from edge.register.folds import check_field, folded_share
from edge.register.warp import field_mm
from tests.read.dicom_files import all_turns, canonical_grid, rotated

Array = NDArray[Any]
SHAPE = (6, 7, 8)
GRID = rotated(canonical_grid(SHAPE))


def linear(grid: Grid, matrix: Array) -> Array:
    """The field u(x) = M x, in mm, whose Jacobian is I + M everywhere."""
    index = np.indices(grid.shape).reshape(3, -1)
    places = grid.matrix[:3, :3] @ index + grid.matrix[:3, 3:]
    return np.asarray((matrix @ places).reshape(3, *grid.shape), dtype=np.float64)


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0, -0.5, -0.99])
def test_what_only_grows_or_shrinks_does_not_fold(scale: float) -> None:
    assert folded_share(linear(GRID, scale * np.eye(3)), GRID) == 0.0


@pytest.mark.parametrize("scale", [-1.01, -2.0, -3.0])
def test_what_is_turned_inside_out_folds_everywhere(scale: float) -> None:
    assert folded_share(linear(GRID, scale * np.eye(3)), GRID) == 1.0


def test_what_becomes_a_point_is_folded() -> None:
    """The determinant is exactly 0: nothing is turned inside out, and nothing can be turned back."""
    plain = Grid.of((4, 4, 4), np.eye(4)[[2, 1, 0, 3]], "patient")
    assert folded_share(linear(plain, -np.eye(3)), plain) == 1.0


def test_one_mirrored_axis_folds_and_two_are_a_rotation() -> None:
    assert folded_share(linear(GRID, np.diag([-2.0, 0, 0])), GRID) == 1.0
    assert folded_share(linear(GRID, np.diag([-2.0, -2.0, 0])), GRID) == 0.0


def test_a_shear_does_not_fold() -> None:
    shear = np.array([[0, 5.0, -3.0], [0, 0, 7.0], [0, 0, 0]])
    assert folded_share(linear(GRID, shear), GRID) == 0.0


def test_only_the_voxels_that_fold_are_counted() -> None:
    """Along x the steps of x + u are 1, but -1 between the planes 3 and 4: central differences there are 0."""
    along_x = np.array([0, 0, 0, 0, -2, -2, -2, -2.0])
    field = field_mm(np.stack([np.zeros(SHAPE), np.zeros(SHAPE), np.broadcast_to(along_x, SHAPE)]), GRID)
    assert folded_share(field * 1.001, GRID) == pytest.approx(2 / 8)
    assert folded_share(field * 0.999, GRID) == 0.0


@pytest.mark.parametrize("turn", list(all_turns())[::7])
def test_how_the_grid_is_stored_makes_no_difference(turn: Any) -> None:
    generator = np.random.default_rng(0)
    field = generator.normal(0, 1.0, (3, *SHAPE))
    stored = np.stack([turn.apply(part) for part in field])
    share = folded_share(field, GRID)
    assert 0.1 < share < 0.9
    assert folded_share(stored, turn.apply_grid(GRID)) == share


def test_a_single_slice_has_no_change_across_it() -> None:
    grid = canonical_grid((1, 5, 6))
    assert folded_share(np.random.default_rng(0).normal(0, 0.01, (3, 1, 5, 6)), grid) == 0.0
    assert folded_share(linear(grid, np.diag([-2.0, 0, 0])), grid) == 1.0


@pytest.mark.parametrize("shape", [(3, 6, 7), (2, *SHAPE), (*SHAPE, 3)])
def test_a_field_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"expected \(3, 6, 7, 8\)"):
        check_field(np.zeros(shape), GRID)


def test_a_grid_in_pixels_is_refused() -> None:
    with pytest.raises(UsageError, match="its grid is in pixels"):
        folded_share(np.zeros((3, 1, 4, 5)), Grid.of_picture(4, 5))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(bad: float) -> None:
    field = np.zeros((3, *SHAPE))
    field[0, 0, 0, :2] = bad
    with pytest.raises(UsageError, match="2 values are no finite numbers"):
        folded_share(field, GRID)

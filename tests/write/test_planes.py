"""Planes: however a volume is stored, it is shown the same way, and no side is taken for the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.geometry import Grid, Turn
from edge.testing import phantom
from edge.write.planes import crossing, cut, is_oblique, planes_through, side_letters, upright
from tests.write.planted import SHAPE, TURNS, oblique_grid, upright_grid

Array = NDArray[Any]
POINT = (7, 11, 33)
VOXELS = phantom(SHAPE)


def moved(point: tuple[int, int, int], turn: Turn, shape: tuple[int, int, int] = SHAPE) -> tuple[int, ...]:
    """Where a voxel lies in the turned volume."""
    return tuple(
        shape[axis] - 1 - point[axis] if flip else point[axis] for axis, flip in zip(turn.axes, turn.flips, strict=True)
    )


def test_all_48_ways_to_store_a_volume_are_tried() -> None:
    assert len({(turn.axes, turn.flips) for turn in TURNS}) == 48


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_however_a_volume_is_stored_its_planes_are_the_same(turn: Turn) -> None:
    grid, voxels = turn.apply_grid(upright_grid()), turn.apply(VOXELS)
    axial, coronal, sagittal = (cut(voxels, grid, plane.grid) for plane in planes_through(grid, moved(POINT, turn)))
    z, y, x = POINT
    assert np.array_equal(axial, VOXELS[z])  # the front above, the right of the patient on the left
    assert np.array_equal(coronal, VOXELS[::-1, y])  # the head above, the right of the patient on the left
    assert np.array_equal(sagittal, VOXELS[::-1, :, x])  # the head above, the front on the left


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_however_a_volume_is_stored_its_sides_are_called_the_same(turn: Turn) -> None:
    grid = turn.apply_grid(upright_grid())
    letters = [side_letters(plane.grid) for plane in planes_through(grid, (0, 0, 0))]
    assert letters == [("R", "L", "A", "P"), ("R", "L", "H", "F"), ("A", "P", "H", "F")]


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_letter_stands_where_its_side_of_the_patient_is(turn: Turn) -> None:
    """Against the affine alone: the side called L has the larger x of LPS, P the larger y, H the larger z."""
    grid = turn.apply_grid(oblique_grid(10.0))
    for plane in planes_through(grid, (1, 2, 3)):
        rows, columns = plane.grid.shape[1:]
        middle = np.array([0, rows / 2, columns / 2, 1.0])
        edges = [middle + np.array(step) for step in ([0, 0, -9, 0], [0, 0, 9, 0], [0, -9, 0, 0], [0, 9, 0, 0])]
        for letter, edge in zip(side_letters(plane.grid) or (), edges, strict=True):
            axis, sign = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}[letter]
            assert sign * (plane.grid.matrix @ (edge - middle))[axis] > 0


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_plane_lies_in_the_patient_where_its_voxels_do(turn: Turn) -> None:
    grid = turn.apply_grid(oblique_grid())
    indices = np.moveaxis(np.indices(grid.shape), 0, -1)
    places = indices @ grid.matrix[:3, :3].T + grid.matrix[:3, 3]
    for plane in planes_through(grid, moved(POINT, turn)):
        shown = np.moveaxis(np.indices(plane.grid.shape), 0, -1)
        expected = shown @ plane.grid.matrix[:3, :3].T + plane.grid.matrix[:3, 3]
        assert np.allclose(cut(places, grid, plane.grid), expected[0], atol=1e-9)


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_the_words_count_slices_rows_and_columns_as_they_are_stored(turn: Turn) -> None:
    grid, point = turn.apply_grid(upright_grid()), moved(POINT, turn)
    for plane in planes_through(grid, point):
        axis, at = crossing(grid, plane.grid)
        assert at == point[axis]
        assert plane.words.endswith(f"{('slice', 'row', 'column')[axis]} {point[axis] + 1} of {grid.shape[axis]}")


def test_planes_are_named_in_the_patient_and_numbered_elsewhere() -> None:
    said = [plane.words for plane in planes_through(upright_grid(), POINT)]
    assert said == ["Axial, slice 8 of 24", "Coronal, row 12 of 40", "Sagittal, column 34 of 48"]
    elsewhere = Grid.of(SHAPE, np.eye(4), "pixel")
    assert [plane.words for plane in planes_through(elsewhere, POINT)] == [
        "slice 8 of 24",
        "row 12 of 40",
        "column 34 of 48",
    ]
    assert all(side_letters(plane.grid) is None for plane in planes_through(elsewhere, POINT))


def test_a_grid_outside_the_patient_is_cut_along_its_axes_as_it_is_stored() -> None:
    grid = Grid.of(SHAPE, np.eye(4), "pixel")
    pictures = [cut(VOXELS, grid, plane.grid) for plane in planes_through(grid, POINT)]
    expected = (VOXELS[POINT[0]], VOXELS[:, POINT[1]], VOXELS[:, :, POINT[2]])
    assert all(np.array_equal(one, other) for one, other in zip(pictures, expected, strict=True))


def test_an_oblique_plane_says_so_and_its_sides_have_two_letters() -> None:
    axial, _, sagittal = planes_through(oblique_grid(30.0), POINT)
    assert axial.words.startswith("Axial, oblique, ")
    assert side_letters(axial.grid) == ("RA", "LP", "AL", "PR")
    assert side_letters(sagittal.grid) == ("AL", "PR", "H", "F")
    assert not is_oblique(planes_through(oblique_grid(10.0), POINT)[0].grid)


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_slice_alone_is_shown_as_the_same_plane(turn: Turn) -> None:
    grid = turn.apply_grid(upright_grid())
    alone = grid.cropped((2, 0, 0), (1, *grid.shape[1:]))
    shown = upright(alone)
    planes = planes_through(grid, (2, 0, 0))
    assert sum(np.allclose(shown.matrix[:, 1:], plane.grid.matrix[:, 1:]) for plane in planes) == 1
    assert side_letters(shown) in [("R", "L", "A", "P"), ("R", "L", "H", "F"), ("A", "P", "H", "F")]
    assert crossing(grid, shown) == (0, 2)


def test_colours_stay_with_their_pixels() -> None:
    grid = upright_grid()
    colours = np.stack([VOXELS, VOXELS + 1, VOXELS + 2], axis=-1)
    plane = planes_through(grid, POINT)[1].grid
    assert np.array_equal(cut(colours, grid, plane), colours[::-1, POINT[1]])

"""A scan's grid -> the planes in which a person looks at it, never mirrored, with letters that say which side is which.

Radiological convention: on axial and coronal pictures the left of the patient is on the right, on sagittal ones the
front is on the left; the front of axial pictures and the head on the others are at the top. A plane is made of the
grid's own voxels, in the order that its affine tells; nothing is interpolated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Array, Grid, Turn, canonical_turn, index_map
from edge.words import message, say

NAMES = (message("Axial"), message("Coronal"), message("Sagittal"))
ACROSS = ("slice", "row", "column")
COUNTED: Mapping[str, str] = {
    "slice": message("slice {number} of {total}"),
    "frame": message("frame {number} of {total}"),
    "row": message("row {number} of {total}"),
    "column": message("column {number} of {total}"),
}
SIDES = (("L", "R"), ("P", "A"), ("H", "F"))
"""Towards rising and falling x, y and z of LPS: (0020,0020) Patient Orientation, PS3.3 C.7.6.1.1.1."""
TILTED = 0.26
"""From this cosine on (15 degrees) a direction gets a second letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One plane of a volume.

    Parameters
    ----------
    grid : Grid
        Shape (1, rows, columns), as it is shown: rows downwards, columns to the right.
    words : str
        Which plane it is, and which of how many.
    """

    grid: Grid
    words: str


def plane_turn(grid: Grid, normal: int) -> Turn:
    """Return the turn after which the planes across one direction lie as a radiologist looks at them.

    Parameters
    ----------
    grid : Grid
    normal : {0, 1, 2}
        The direction that the planes are stacked along: towards the head (axial), the back (coronal) or the left
        (sagittal), as closely as the grid's axes can.

    Examples
    --------
    >>> import numpy as np
    >>> upright = Grid.of((2, 3, 4), np.array([[0, 0, 1., 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]), "patient")
    >>> plane_turn(upright, 1)
    Turn(axes=(1, 0, 2), flips=(False, True, False))
    """
    turn = canonical_turn(grid)
    if grid.space != "patient":
        rest = [axis for axis in range(3) if axis != normal]
        return Turn(axes=(normal, rest[0], rest[1]), flips=(False, False, False))
    (head, back, left), (falls_head, falls_back, falls_left) = turn.axes, turn.flips
    if normal == 0:
        return turn
    if normal == 1:
        return Turn(axes=(back, head, left), flips=(falls_back, not falls_head, falls_left))
    return Turn(axes=(left, head, back), flips=(falls_left, not falls_head, falls_back))


def upright(plane: Grid) -> Grid:
    """Return a grid of one slice, shape (1, y, x), with rows and columns as a radiologist looks at it."""
    return plane_turn(plane, canonical_turn(plane).axes.index(0)).apply_grid(plane)


def planes_through(grid: Grid, point: Sequence[int]) -> tuple[Plane, ...]:
    """Return the axial, the coronal and the sagittal plane through a voxel.

    Parameters
    ----------
    grid : Grid
        Of a volume; one that does not lie in the patient is cut along its axes.
    point : sequence of int
        z, y, x.
    """
    planes = []
    for normal, name in enumerate(NAMES):
        turn = plane_turn(grid, normal)
        axis = turn.axes[0]
        at = grid.shape[axis] - 1 - point[axis] if turn.flips[0] else point[axis]
        turned = turn.apply_grid(grid)
        plane = turned.cropped((at, 0, 0), (1, *turned.shape[1:]))
        called = [say(name), *([say("oblique")] if is_oblique(plane) else [])] if grid.space == "patient" else []
        which = say(COUNTED[ACROSS[axis]], number=point[axis] + 1, total=grid.shape[axis])
        planes.append(Plane(grid=plane, words=say(", ").join([*called, which])))
    return tuple(planes)


def cut(values: Array, source: Grid, plane: Grid) -> Array:
    """Return what lies on a plane, as shown: a view of `values`.

    Parameters
    ----------
    values : ndarray, shape (z, y, x) or (z, y, x, channel)
        On `source`.
    plane : Grid
        All rows and columns of one slice of `source`, along whichever axis, in any order, read either way.

    Returns
    -------
    ndarray, shape (rows, columns) or (rows, columns, channel)
    """
    matrix = index_map(source, plane)
    axes = _axes(matrix)
    picture = np.moveaxis(values, axes, (0, 1, 2))[round(float(matrix[axes[0], 3]))]
    flips = tuple(slice(None, None, -1 if matrix[axes[n], n] < 0 else 1) for n in (1, 2))
    view: Array = picture[flips]
    return view


def crossing(source: Grid, plane: Grid) -> tuple[int, int]:
    """Return the axis of `source` that crosses a plane as in `cut`, and the index along it at which it does."""
    matrix = index_map(source, plane)
    axis = _axes(matrix)[0]
    return axis, round(float(matrix[axis, 3]))


def _axes(matrix: NDArray[np.float64]) -> tuple[int, int, int]:
    """The source's axes across, down and along a plane. What crosses it is what neither rows nor columns follow."""
    down, along = (int(np.argmax(np.abs(matrix[:3, axis]))) for axis in (1, 2))
    return 3 - down - along, down, along


def side_letters(plane: Grid) -> tuple[str, str, str, str] | None:
    """Return what lies at the left, the right, the top and the bottom of a plane; None outside patient space.

    Examples
    --------
    >>> import numpy as np
    >>> axial = Grid.of((1, 3, 4), np.array([[0, 0, 1., 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]), "patient")
    >>> side_letters(axial)
    ('R', 'L', 'A', 'P')
    """
    if plane.space != "patient":
        return None
    _, down, right = (plane.matrix[:3, :3] / np.array(plane.steps)).T
    return _letters(-right), _letters(right), _letters(-down), _letters(down)


def is_oblique(plane: Grid) -> bool:
    """Whether some side of a plane needs more than one letter."""
    letters = side_letters(plane)
    return letters is not None and any(len(side) > 1 for side in letters)


def _letters(direction: NDArray[np.float64]) -> str:
    """The sides of the patient towards which a unit vector points, the nearest first."""
    axes = [int(axis) for axis in np.argsort(-np.abs(direction), kind="stable") if abs(direction[axis]) >= TILTED]
    return "".join(SIDES[axis][int(direction[axis] < 0)] for axis in axes)

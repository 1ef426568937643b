"""Is a scan as large as its file says? What shows that a unit or a size in a header is wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.errors import ReadError
from edge.geometry import Grid, Shape
from edge.reasons import NOT_A_GRID

SMALLEST, LARGEST = 1.0, 5000.0
"""Millimetres along the longest axis: no scan of a patient is smaller or larger."""

AS_LONG = 0.01
"""Share by which the two lengths that a header gives of a voxel may differ."""


def check_extent(grid: Grid) -> None:
    """Refuse a grid in the patient that no patient fits: its millimetres were metres or micrometres.

    Raises
    ------
    ReadError
        ``R322``.
    """
    longest = max(count * step for count, step in zip(grid.shape, grid.steps, strict=True))
    if not SMALLEST <= longest <= LARGEST:
        raise ReadError(
            f"Its longest axis is {longest:g} mm, expected {SMALLEST:g} to {LARGEST:g}: the unit of its lengths may be "
            "wrong.",
            NOT_A_GRID,
        )


def lengths_differ(told: ArrayLike, matrix: NDArray[np.float64], shape: Shape) -> bool:
    """Return whether a header tells other lengths of a voxel than the axes of its affine have.

    Parameters
    ----------
    told : array of 3 numbers
        Along (x, y, z); one that is 0 or no number tells nothing. The sign does not count.
    matrix : ndarray, shape (4, 4)
        From an index (x, y, z, 1), in the same unit.
    shape : tuple of int
        Voxels along (z, y, x); along an axis with one, nothing is compared.
    """
    lengths = np.abs(np.asarray(told, dtype=np.float64))
    steps = np.linalg.norm(matrix[:3, :3], axis=0)
    compared = np.isfinite(lengths) & (lengths > 0) & (np.array(shape[::-1]) > 1)
    return bool(np.any(np.abs(lengths - steps)[compared] > AS_LONG * steps[compared]))


def places_differ(one: NDArray[np.float64], other: NDArray[np.float64], shape: Shape) -> bool:
    """Return whether two affines move any corner of a volume by more than half of the shortest step apart.

    Parameters
    ----------
    one, other : ndarray, shape (4, 4)
        From an index (x, y, z, 1).
    shape : tuple of int
        Voxels along (z, y, x).
    """
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in reversed(shape)], indexing="ij")).reshape(3, -1)
    places = np.vstack([corners, np.ones(corners.shape[1])])
    moved = np.linalg.norm(((one - other) @ places)[:3], axis=0).max()
    return bool(not moved <= np.linalg.norm(one[:3, :3], axis=0).min() / 2)

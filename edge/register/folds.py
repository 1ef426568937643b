"""Where a displacement field turns space inside out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError
from edge.geometry import Grid, Space

IN_MM: tuple[Space, ...] = ("patient", "detector")


def folded_share(displacement: NDArray[Any], grid: Grid) -> float:
    """Return the share of the voxels where space folds: the Jacobian determinant of x + u(x) is not above 0.

    There the map is no longer one to one, and an organ is turned inside out (Christensen et al. 1996; counted as in
    Balakrishnan et al. 2019, VoxelMorph). Derivatives are central differences in mm, one-sided on the outermost voxels;
    across a single slice they are 0.

    Parameters
    ----------
    displacement : ndarray of float, shape (3, z, y, x)
        Along (x, y, z) of the space of `grid`, in mm.
    grid : Grid

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    UsageError
        The field is not of this grid, the grid is not in mm, or a value is no finite number.

    Examples
    --------
    >>> grid = Grid.of((4, 4, 4), np.eye(4)[[2, 1, 0, 3]], "patient")
    >>> folded_share(np.full((3, 4, 4, 4), 2.5), grid)
    0.0
    """
    check_field(displacement, grid)
    wrong = int((~np.isfinite(displacement)).sum())
    if wrong:
        raise UsageError(f"Counting the folds of a displacement field: {wrong} values are no finite numbers.")
    folded = sum(int((_determinants(displacement, grid, z) <= 0.0).sum()) for z in range(grid.shape[0]))
    return folded / int(np.prod(grid.shape))


def _determinants(displacement: NDArray[Any], grid: Grid, z: int) -> NDArray[np.float64]:
    """Of the slice z, shape (y, x): that of the steps along the axes after the displacement, over that before."""
    below, above = max(z - 1, 0), min(z + 1, grid.shape[0] - 1)
    slab = displacement[:, [below, z, above]].astype(np.float64)
    along_z = (slab[:, 2] - slab[:, 0]) / max(above - below, 1)
    slopes = (along_z, _slope(slab[:, 1], 1), _slope(slab[:, 1], 2))
    linear = grid.matrix[:3, :3]
    a, b, c = (linear[:, axis, np.newaxis, np.newaxis] + slope for axis, slope in enumerate(slopes))
    after = (a * np.cross(b, c, axis=0)).sum(axis=0)
    return np.asarray(after / np.linalg.det(linear))


def _slope(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Change per voxel along an axis."""
    return np.gradient(values, axis=axis) if values.shape[axis] > 1 else np.zeros_like(values)


def check_field(displacement: NDArray[Any], grid: Grid) -> None:
    """Refuse a field that is not of this grid, or a grid whose steps are in no millimetres.

    Raises
    ------
    UsageError
    """
    if displacement.shape != (3, *grid.shape):
        raise UsageError(
            f"Reading a displacement field: found shape {displacement.shape}, expected {(3, *grid.shape)}: "
            "(x, y, z) in mm for each voxel of the grid."
        )
    if grid.space not in IN_MM:
        raise UsageError("Reading a displacement field: its grid is in pixels, expected millimetres. Give the spacing.")

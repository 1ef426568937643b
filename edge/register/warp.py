"""A scan looked up along a displacement field."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Grid, sample


def field_mm(displacement: NDArray[Any], grid: Grid) -> NDArray[np.float32]:
    """Return a field in millimetres along (x, y, z) of the patient, from one in voxels along (z, y, x) of its grid.

    Parameters
    ----------
    displacement : ndarray of float, shape (3, z, y, x)
        Along (z, y, x), in voxels of `grid`.

    Examples
    --------
    >>> grid = Grid.of((1, 1, 1), np.array([[0, 0, 2.0, 0], [0, 3, 0, 0], [5, 0, 0, 0], [0, 0, 0, 1]]), "patient")
    >>> field_mm(np.array([1.0, 0, 0.5]).reshape(3, 1, 1, 1), grid).ravel().tolist()
    [1.0, 0.0, 5.0]
    """
    linear = grid.matrix[:3, :3].astype(np.float32)
    return np.asarray(np.einsum("ij,jzyx->izyx", linear, displacement.astype(np.float32)), dtype=np.float32)


def warp(voxels: NDArray[Any], own: Grid, field: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """Return a scan brought onto `grid` by a displacement field, linear between its voxels.

    A voxel of the result at x is what the scan has at x + u(x), as VoxelMorph (Balakrishnan et al. 2019) and ITK's
    displacement fields have it. It is looked up in the scan's own voxels, whatever grid the model saw.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x)
        On `own`.
    field : ndarray of float32, shape (3, z, y, x)
        In mm along (x, y, z), on `grid`.

    Returns
    -------
    ndarray of float32, shape (z, y, x)
        NaN where x + u(x) lies beyond the scan's extent, which ends half a voxel outside the outermost centres.
    """
    to_own = np.linalg.inv(own.matrix)
    result = np.full(grid.shape, np.nan, dtype=np.float32)
    y, x = np.meshgrid(np.arange(grid.shape[1]), np.arange(grid.shape[2]), indexing="ij")
    for z in range(grid.shape[0]):
        places = np.stack([np.full(x.size, z), y.ravel(), x.ravel(), np.ones(x.size)])
        moved = (grid.matrix @ places)[:3] + field[:, z].reshape(3, -1)
        at = to_own[:3, :3] @ moved + to_own[:3, 3:]
        result[z] = _linear(voxels, at).reshape(grid.shape[1:])
    return result


def _linear(voxels: NDArray[Any], at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values at the indices (3, n), NaN outside."""
    size = np.array(voxels.shape)[:, np.newaxis]
    inside = np.all((at >= -0.5) & (at <= size - 0.5), axis=0)
    values = np.full(at.shape[1], np.nan, dtype=np.float32)
    values[inside] = sample(voxels, np.clip(at[:, inside], 0, size - 1).T, "linear")
    return values

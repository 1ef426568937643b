"""A scan looked up along a displacement field."""

from __future__ import annotations

from collections.abc import Iterator
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
    result = np.full(grid.shape, np.nan, dtype=np.float32)
    for z, inside, at in _looked_up(own, field, grid):
        result[z][inside] = sample(voxels, at, "linear")
    return result


def warp_labels(labels: NDArray[Any], own: Grid, field: NDArray[np.float32], grid: Grid) -> NDArray[Any]:
    """Return labels brought onto `grid` as `warp` brings a scan: each voxel has the label nearest to its place.

    Parameters
    ----------
    labels : ndarray of int, shape (z, y, x)
        On `own`.

    Returns
    -------
    ndarray of the same type, shape (z, y, x)
        0 where x + u(x) lies beyond the extent of the labels.
    """
    result = np.zeros(grid.shape, dtype=labels.dtype)
    for z, inside, at in _looked_up(own, field, grid):
        result[z][inside] = sample(labels, at, "nearest")
    return result


def _looked_up(
    own: Grid, field: NDArray[np.float32], grid: Grid
) -> Iterator[tuple[int, NDArray[np.bool_], NDArray[np.float64]]]:
    """Each z of `grid`: which of its voxels, shape (y, x), lie within `own` after the move, and where, shape (n, 3)."""
    to_own = np.linalg.inv(own.matrix)
    size = np.array(own.shape)[:, np.newaxis]
    y, x = np.meshgrid(np.arange(grid.shape[1]), np.arange(grid.shape[2]), indexing="ij")
    for z in range(grid.shape[0]):
        places = np.stack([np.full(x.size, z), y.ravel(), x.ravel(), np.ones(x.size)])
        moved = (grid.matrix @ places)[:3] + field[:, z].reshape(3, -1)
        at = to_own[:3, :3] @ moved + to_own[:3, 3:]
        inside = np.all((at >= -0.5) & (at <= size - 0.5), axis=0)
        yield z, inside.reshape(grid.shape[1:]), np.clip(at[:, inside], 0, size - 1).T

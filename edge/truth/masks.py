"""A mask that a person drew, on the voxels of its scan: brought there where it lies on them, and never resampled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Grid, resample
from edge.register.labels import lies_on
from edge.scan import Scan

Mask = NDArray[np.bool_]


def laid_on(mask: Scan, grid: Grid) -> NDArray[Any] | None:
    """Return the values of a mask in the order of the voxels of its scan, or None where it does not lie on them.

    Programs that draw masks store axes in an order and direction of their own; voxel by voxel that is the same place.
    Where one of the two has no place in the patient, as a picture has none, they must have the same shape; but a volume
    takes no mask without a place, such as the pages of a TIFF file, which may be stored from either end.

    Parameters
    ----------
    mask : Scan
        Grey, or a picture in colour, of which the brightest channel is taken.
    grid : Grid
        Of the scan.

    Returns
    -------
    ndarray, shape `grid.shape`
        Of the dtype of the mask.
    """
    values = mask.voxels if mask.voxels.ndim == 3 else mask.voxels.max(axis=-1)
    if (mask.grid.space, grid.space) != ("patient", "patient"):
        whole = grid.space == "patient" and grid.shape[0] > 1
        return values if values.shape == grid.shape and not whole else None
    own, target = _thin(mask.grid), _thin(grid)
    return resample(values, own, target, interpolation="nearest") if lies_on(own, target) else None


def holds_labels(mask: Scan, value: int | None = None) -> bool:
    """Return whether a mask holds labels: whole numbers from 0 on, which compression with loss would blur.

    Parameters
    ----------
    value : int, optional
        The one that is asked for: colours have no number. None: all but 0, and then there must be a 0, as otherwise it
        is a scan or lies on a ground that is not black.
    """
    values = mask.voxels
    if mask.acquisition.lossy or values.min() < 0 or not bool((values == np.rint(values)).all()):
        return False
    if value is not None:
        return values.ndim == 3
    return bool((values == 0).all(axis=-1).any() if values.ndim == 4 else (values == 0).any())


def _thin(grid: Grid) -> Grid:
    """The grid with a step of 1 along axes of one voxel: of a single slice, some programs tell a thickness."""
    matrix = grid.matrix
    for axis, size in enumerate(grid.shape):
        if size == 1:
            matrix[:3, axis] /= np.linalg.norm(matrix[:3, axis])
    return Grid.of(grid.shape, matrix, grid.space)

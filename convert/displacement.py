"""How well one scan was laid onto another: the distance of landmarks, and where the displacement folds space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError
from edge.geometry import EXACT, Grid
from edge.register.folds import check_field, folded_share

__all__ = ["Registrations", "folded_share", "target_registration_error", "warp"]

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registrations:
    """What one model made of n pairs of scans.

    Parameters
    ----------
    target_registration_error_mm : ndarray of float64, shape (n,)
        Of each pair, see `target_registration_error`.
    folded : ndarray of float64, shape (n,)
        Share of the voxels, 0 to 1, see `folded_share`.
    """

    target_registration_error_mm: NDArray[np.float64]
    folded: NDArray[np.float64]


def target_registration_error(warped: NDArray[Any], true: NDArray[Any]) -> float:
    """Return the mean distance of landmarks from where they should be (Fitzpatrick, West and Maurer 1998).

    Parameters
    ----------
    warped, true : ndarray of float, shape (n, 3)
        The same landmarks in the same order, in mm. Any of them that is no number makes the result none.

    Returns
    -------
    float
        In mm.

    Raises
    ------
    UsageError
        There is no landmark, or the shapes differ.

    Examples
    --------
    >>> target_registration_error(np.array([[0.0, 3.0, 4.0], [1.0, 1.0, 1.0]]), np.array([[0.0, 0, 0], [1, 1, 1]]))
    2.5
    """
    if warped.shape != true.shape or true.ndim != 2 or true.shape[1] != 3 or len(true) == 0:
        raise UsageError(
            f"Measuring landmarks: found arrays of shapes {warped.shape} and {true.shape}, expected (n, 3) for both, "
            "with as many landmarks in each and one at least."
        )
    differences = warped.astype(np.float64) - true.astype(np.float64)
    return float(np.linalg.norm(differences, axis=1).mean())


def warp(points: NDArray[Any], displacement: NDArray[Any], grid: Grid) -> Points:
    """Return where a displacement field takes points: x + u(x), with u linear between voxels.

    A field on the fixed scan takes its points to the moving one.

    Parameters
    ----------
    points : ndarray of float, shape (n, 3)
        (x, y, z) in mm, in the space of `grid`.
    displacement : ndarray of float, shape (3, z, y, x)
        Along (x, y, z) of the space of `grid`, in mm, as in DICOM (PS3.3 C.20.3). Held constant for half a voxel beyond
        the outermost centres.
    grid : Grid

    Returns
    -------
    ndarray of float64, shape (n, 3)

    Raises
    ------
    UsageError
        The field is not of this grid, the grid is not in mm, or a point lies outside it or is no number.
    """
    check_field(displacement, grid)
    placed = np.column_stack([points.astype(np.float64), np.ones(len(points))])
    at = np.linalg.solve(grid.matrix, placed.T)[:3]
    last = np.array(grid.shape)[:, np.newaxis] - 1.0
    inside = np.all((at >= -0.5 - EXACT) & (at <= last + 0.5 + EXACT), axis=0)
    if not inside.all():
        raise UsageError(
            f"Warping {len(points)} landmarks: {int((~inside).sum())} are no numbers or lie outside the grid of shape "
            f"{grid.shape}. "
            "Give them in LPS millimetres, in the space of the field."
        )
    moved: Points = placed[:, :3] + _between(displacement.astype(np.float64), np.clip(at, 0.0, last)).T
    return moved


def _between(field: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The field at indices (3, n) inside it, linear between voxels: (3, n)."""
    low = np.floor(at).astype(np.intp)
    part = at - low
    found = np.zeros((len(field), at.shape[1]))
    for corner in np.ndindex(2, 2, 2):
        step = np.array(corner)[:, np.newaxis]
        weights = np.prod(np.where(step == 1, part, 1.0 - part), axis=0)
        z, y, x = np.minimum(low + step, np.array(field.shape[1:])[:, np.newaxis] - 1)
        found += weights * field[:, z, y, x]
    return found

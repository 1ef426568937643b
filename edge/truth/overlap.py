"""How well an outlined label covers the true one: Dice, the distance of the outlines, and the error of the volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.errors import UsageError
from edge.geometry import Grid

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]
Unit = Literal["mm", "pixel"]

PERCENTILE = 95.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """One label of one scan, as it was outlined against the truth. All numbers are finite.

    Parameters
    ----------
    dice : float
        0 to 1, see `dice`.
    hd95 : float
        In `unit`, see `outline_distance`.
    volume_error : float
        0 to 1, see `volume_error`.
    present : bool
        Whether the true mask has the label at all.
    pixel : float
        Length of the shortest side of a pixel, in `unit`.
    unit : {"mm", "pixel"}
        Pixels where the size of the picture is unknown.
    """

    dice: float
    hd95: float
    volume_error: float
    present: bool
    pixel: float
    unit: Unit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlaps:
    """One label of n scans; the fields of `Overlap`, one unit for all.

    Parameters
    ----------
    dice, hd95, volume_error, pixel : ndarray of float64, shape (n,)
    present : ndarray of bool, shape (n,)
    unit : {"mm", "pixel"}
    """

    dice: Values
    hd95: Values
    volume_error: Values
    present: Mask
    pixel: Values
    unit: Unit

    @classmethod
    def of(cls, scans: Sequence[Overlap]) -> Overlaps:
        """Return the overlaps of one label in the order of the scans.

        Raises
        ------
        UsageError
            There is no scan, or some distances are in millimetres and some in pixels, which have no mean.
        """
        units = sorted({scan.unit for scan in scans})
        if len(units) != 1:
            raise UsageError(
                f"Collecting outlines of {len(scans)} scans: found distances in {' and '.join(units) or 'no unit'}, "
                "expected one unit. Measure all on grids without a size, or leave out the scans that have none."
            )
        return cls(
            dice=np.array([scan.dice for scan in scans]),
            hd95=np.array([scan.hd95 for scan in scans]),
            volume_error=np.array([scan.volume_error for scan in scans]),
            present=np.array([scan.present for scan in scans], dtype=np.bool_),
            pixel=np.array([scan.pixel for scan in scans]),
            unit=units[0],
        )


def overlap(predicted: NDArray[Any], true: NDArray[Any], grid: Grid) -> Overlap:
    """Return how well a mask covers the true one.

    Parameters
    ----------
    predicted, true : ndarray of bool, shape (z, y, x)
        Of one label, both on `grid`.
    grid : Grid
        Its axes are taken to be at right angles. Where it has one slice, lengths along z play no part.

    Raises
    ------
    UsageError
        A mask is not boolean, or not of the shape of the grid.
    """
    for name, mask in (("predicted", predicted), ("true", true)):
        if mask.shape != grid.shape or mask.dtype != np.bool_:
            raise UsageError(
                f"Measuring the {name} mask: found {mask.dtype} {mask.shape}, expected bool {grid.shape}. "
                "Bring both masks to the grid of the source."
            )
    sides: tuple[float, ...] = grid.steps
    if grid.shape[0] == 1:
        predicted, true, sides = predicted[0], true[0], sides[1:]
    return Overlap(
        dice=dice(predicted, true),
        hd95=outline_distance(predicted, true, sides),
        volume_error=volume_error(predicted, true),
        present=bool(true.any()),
        pixel=min(sides),
        unit="pixel" if grid.space == "pixel" else "mm",
    )


def dice(predicted: Mask, true: Mask) -> float:
    """Return twice the common part over the sum of both (Dice 1945), 0 to 1.

    Two empty masks agree: 1, as the BraTS challenges score it. Where one alone is empty the formula gives 0.

    Examples
    --------
    >>> dice(np.array([True, True, False]), np.array([False, True, False]))
    0.6666666666666666
    """
    both = int(predicted.sum()) + int(true.sum())
    return 2.0 * int((predicted & true).sum()) / both if both else 1.0


def volume_error(predicted: Mask, true: Mask) -> float:
    """Return the difference of the volumes (areas) as a share of the larger of the two, 0 to 1.

    Over the larger, and not over the true one, so that it is finite where the truth is empty and one small lesion does
    not outweigh all other scans. 0 where both are empty, 1 where one is. Small errors are the
    usual relative ones.

    Examples
    --------
    >>> volume_error(np.array([True, True, False, False]), np.array([True, False, False, False]))
    0.5
    """
    larger = max(int(predicted.sum()), int(true.sum()))
    return abs(int(predicted.sum()) - int(true.sum())) / larger if larger else 0.0


def outline_distance(predicted: Mask, true: Mask, sides: Sequence[float]) -> float:
    """Return the 95th percentile Hausdorff distance of two outlines (Huttenlocher et al. 1993).

    The outline is every voxel of a mask that has a face in common with a voxel outside it or with the edge of the
    picture. The 95th percentile (linear between ranks) is taken of the distances from each outline to the other one,
    and the larger of the two is the result, as in MONAI and in Metrics Reloaded (Maier-Hein et al. 2024). Evaluations
    with medpy pool both sets of distances before they take the percentile; that is never the larger by more than the
    interpolation, and forgives an outline that is wrong on one side only.

    Parameters
    ----------
    predicted, true : ndarray of bool, shape (y, x) or (z, y, x)
    sides : sequence of float
        Of a voxel, one for each axis.

    Returns
    -------
    float
        In the unit of `sides`; 0 where both are empty. Where one is empty, the diagonal of the whole picture from edge
        to edge, which is longer than any distance in it.

    Examples
    --------
    >>> row = np.array([[True, False, False, False]])
    >>> outline_distance(np.roll(row, 3), row, (1.0, 0.5))
    1.5
    """
    if not predicted.any() and not true.any():
        return 0.0
    if not predicted.any() or not true.any():
        return float(np.linalg.norm(np.array(predicted.shape) * np.array(sides)))
    # Beyond the box around both masks there is no outline, and a scan is much larger than an organ.
    (box,) = ndimage.find_objects((predicted | true).astype(np.uint8))
    first, second = _outline(predicted[box]), _outline(true[box])
    return max(_directed(first, second, sides), _directed(second, first, sides))


def _outline(mask: Mask) -> Mask:
    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def _directed(outline: Mask, other: Mask, sides: Sequence[float]) -> float:
    """95th percentile of the distances from each voxel of an outline to the nearest one of the other."""
    distances = ndimage.distance_transform_edt(~other, sampling=sides)
    return float(np.percentile(distances[outline], PERCENTILE))

"""The picture on its way through the steps: `Image`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from edge.geometry import Grid
from edge.scan import Scan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """Voxels with their place, and the scan that they come from.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x) or (z, y, x, channel)
    grid : Grid
        Where they lie now; each step that moves voxels moves it along, so undoing all of them is one resampling.
    scan : Scan
        Untouched: its window, value range and photometric interpretation serve the steps.
    inverted : bool
        Whether `voxels` have been turned from MONOCHROME1 into MONOCHROME2.
    """

    voxels: NDArray[Any]
    grid: Grid
    scan: Scan
    inverted: bool = False

    @classmethod
    def of(cls, scan: Scan) -> Image:
        """Return the image of an untouched scan."""
        return cls(voxels=scan.voxels, grid=scan.grid, scan=scan)

    def with_voxels(self, voxels: NDArray[Any]) -> Image:
        """Return the image with other values in the same places."""
        return replace(self, voxels=voxels)

    def moved(self, voxels: NDArray[Any], grid: Grid) -> Image:
        """Return the image with voxels that lie on another grid."""
        return replace(self, voxels=voxels, grid=grid)

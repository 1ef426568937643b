"""True boxes: where they lie on the voxels of their scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.detect.place import place_box
from edge.errors import UsageError
from edge.geometry import Grid

IN_PIXELS = ("x0", "y0", "x1", "y1")
IN_MM = ("x0_mm", "y0_mm", "z0_mm", "x1_mm", "y1_mm", "z1_mm")
"""Columns of a table."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueBox:
    """A box around something that is there.

    Parameters
    ----------
    edges : tuple of float
        Of a picture y0, x0, y1, x1 in its pixels: pixel i covers i to i + 1. Of a volume z0, y0, x0, z1, y1, x1 in mm
        in LPS.
    where : str
        File and line that say so.
    """

    label: str
    edges: tuple[float, ...]
    where: str

    @property
    def in_mm(self) -> bool:
        """Whether it is in a volume."""
        return len(self.edges) == 6


def box_of(label: str, values: Sequence[float], columns: Sequence[str], where: str) -> TrueBox:
    """Return the box whose edges stand in a row of a table.

    Parameters
    ----------
    values : sequence of float
        As the columns: `IN_PIXELS` or `IN_MM`.
    where : str
        File and line.

    Raises
    ------
    UsageError
        It ends before it begins.

    Examples
    --------
    >>> box_of("nodule", (1, 2, 11, 22), IN_PIXELS, "boxes.csv, line 2").edges
    (2, 1, 22, 11)
    """
    half = len(columns) // 2
    for first, last, start, end in zip(columns[:half], columns[half:], values[:half], values[half:], strict=True):
        if end <= start:
            found = f"found {first} {start:g} and {last} {end:g}"
            raise UsageError(f"Reading {where}: {found}, expected a box that ends after it begins.")
    return TrueBox(label=label, edges=(*reversed(values[:half]), *reversed(values[half:])), where=where)


def placed(box: TrueBox, grid: Grid) -> Values:
    """Return the edges of a true box on the voxels of its scan.

    Parameters
    ----------
    grid : Grid
        Of the scan.

    Returns
    -------
    ndarray of float64, shape (4,) or (6,)
        y0, x0, y1, x1 of a picture; of a volume z0, y0, x0, z1, y1, x1, the least box along the scan's axes that holds
        it.

    Raises
    ------
    UsageError
        It lies beyond the scan, or the scan has no place in the patient and the box is in mm.
    """
    if box.in_mm and grid.space != "patient":
        raise UsageError(f"Placing the box of {box.where}: the scan has no place in the patient, and the box is in mm.")
    source = grid if box.in_mm else Grid.of_picture(*grid.shape[1:])
    fed = _millimetres(box.edges) if box.in_mm else source
    whole = place_box(box.edges, fed, source.cropped(*_wider(source)))
    found = place_box(box.edges, fed, source)
    if found is None or whole is None or whole.clipped:
        size = " x ".join(str(n) for n in source.shape[0 if box.in_mm else 1 :])
        unit = "x, y and z are in mm in LPS" if box.in_mm else "x is to the right, y down, in pixels"
        raise UsageError(
            f"Placing the box of {box.where}: it reaches beyond the scan of {size} voxels. Check that {unit}."
        )
    return np.array(found.edges if box.in_mm else [*found.edges[1:3], *found.edges[4:]])


def _wider(grid: Grid) -> tuple[list[int], list[int]]:
    """Start and shape with a voxel more on every side: by so much may a box that was drawn by hand reach beyond."""
    return [-1, -1, -1], [n + 2 for n in grid.shape]


def _millimetres(edges: Sequence[float]) -> Grid:
    """A grid of cubes of 1 mm along LPS in which a box has the same edges as in mm."""
    matrix = np.array([[0, 0, 1, 0.5], [0, 1, 0, 0.5], [1, 0, 0, 0.5], [0, 0, 0, 1]])
    shape = [max(1, int(np.ceil(end - start))) for start, end in zip(edges[:3], edges[3:], strict=True)]
    return Grid.of(shape, matrix, "patient")

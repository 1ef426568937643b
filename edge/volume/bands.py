"""Labels of a picture that may lie on the disk, read some rows at a time: measured, and made small to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.findings import Segmentation
from edge.geometry import Grid, index_map
from edge.volume.measure import Box, Measure
from edge.volume.source import Codes

BAND_BYTES = 1 << 24
"""Of labels that are looked at together."""


def measure_picture(found: Segmentation, labels: int) -> tuple[Measure, ...]:
    """Return the pixels and the box of each label of a picture; other numbers are those of volumes.

    Memory: some copies of `BAND_BYTES`.

    Parameters
    ----------
    found : Segmentation
        Of one slice; its regions are not looked at.
    labels : int
    """
    _, _, columns = found.codes.shape
    counts = [0] * labels
    rows: list[tuple[int, int] | None] = [None] * labels
    across = np.zeros((labels, columns), dtype=np.bool_)
    for first, band in _bands(found):
        for index in range(labels):
            mask = band.mask(index)[0]
            there = np.flatnonzero(mask.any(axis=1))
            if there.size:
                counts[index] += int(mask.sum())
                begun = rows[index] or (first + int(there[0]), 0)
                rows[index] = begun[0], first + int(there[-1])
                across[index] |= mask.any(axis=0)
    return tuple(_measure(*item) for item in zip(counts, rows, across, strict=True))


def _bands(found: Segmentation) -> Iterator[tuple[int, Segmentation]]:
    """Some rows at a time, and the first of them."""
    _, rows, columns = found.codes.shape
    step = max(BAND_BYTES // (columns * found.codes.itemsize), 1)
    for first in range(0, rows, step):
        yield first, replace(found, codes=found.codes[:, first : first + step])


def _measure(count: int, rows: tuple[int, int] | None, across: NDArray[np.bool_]) -> Measure:
    box: Box | None = None
    if rows is not None:
        columns = np.flatnonzero(across)
        box = 0, rows[0], int(columns[0]), 0, rows[1], int(columns[-1])
    return Measure(
        voxels=count, volume_ml=None, diameter_mm=None, diameter_slice=None, box=box, components=0, largest_share=None
    )


def brought_small(found: Segmentation, plane: Grid) -> Segmentation:
    """Return the labels on a coarser plane of the same picture, where a pixel has the greatest label that it touches.

    Labels that may overlap are all kept, and so is a label of a single pixel, unless a greater one lies beside it.

    Parameters
    ----------
    found : Segmentation
        Of one slice.
    plane : Grid
        Shape (1, rows, columns), along the axes of ``found.grid``.
    """
    matrix = index_map(found.grid, plane)
    _, rows, columns = plane.shape
    up = _starts(matrix[1, 1], matrix[1, 3], rows, found.grid.shape[1])
    across = _starts(matrix[2, 2], matrix[2, 3], columns, found.grid.shape[2])
    unite = np.maximum if found.exclusive else np.bitwise_or
    small = np.empty((rows, columns), dtype=found.codes.dtype)
    codes: Codes = found.codes[0]
    for row, (first, last) in enumerate(zip(up, [*up[1:], found.grid.shape[1]], strict=True)):
        line = unite.reduce(codes[first : max(last, first + 1)], axis=0)
        small[row] = unite.reduceat(line, across)
    return replace(found, codes=small[np.newaxis], grid=plane)


def _starts(scale: float, offset: float, size: int, limit: int) -> list[int]:
    """The first pixel that each coarser one covers."""
    edges = np.floor(scale * (np.arange(size) - 0.5) + offset + 0.5)
    return [int(edge) for edge in np.clip(edges, 0, limit - 1)]

"""Steps for volumes: another spacing, another size; each takes the grid along."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from edge.errors import ReadError
from edge.geometry import Shape, resample
from edge.prepare.image import Image
from edge.prepare.memory import budget_bytes
from edge.reasons import NOT_ENOUGH_MEMORY, UNKNOWN_SPACING
from edge.typed import Between

Size = Annotated[int, Between(1, 4096)]
Millimetres = Annotated[float, Between(1e-4, 1000.0)]

FLOAT = 4
"""Bytes of a voxel."""


def resample_spacing(image: Image, *, spacing_mm: tuple[Millimetres, Millimetres, Millimetres]) -> Image:
    """Bring the volume to a spacing along its axes (z, y, x), linear between voxels, as float32.

    Nothing is smoothed where it becomes coarser. The extent is kept from edge to edge, so that the spacing is met but
    for the rounding of the number of voxels. Put `orient` before it where the axes matter. A single slice, which tells
    no thickness, stays one.

    Raises
    ------
    ReadError
        ``C727``: the spacing of the scan is not known; ``C728``: it would be larger than the memory.

    Examples
    --------
    >>> import numpy as np
    >>> from dataclasses import replace
    >>> from edge.geometry import Grid
    >>> from edge.testing import phantom_scan
    >>> grid = Grid.of((3, 4, 4), np.array([[0, 0, 1.0, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]]), "patient")
    >>> resample_spacing(Image.of(replace(phantom_scan((3, 4, 4)), grid=grid)), spacing_mm=(1.0, 2.0, 1.0)).grid.shape
    (6, 2, 4)
    """
    grid = image.grid
    flat = grid.shape[0] == 1
    if grid.space == "pixel" or (grid.space == "detector" and not flat):
        raise ReadError(
            f"Resampling to {spacing_mm} mm: found a scan in {grid.space} space, expected one whose spacing is known.",
            UNKNOWN_SPACING,
        )
    z, y, x = (
        max(1, round(count * step / wanted))
        for count, step, wanted in zip(grid.shape, grid.steps, spacing_mm, strict=True)
    )
    return _onto(image, (1 if flat else z, y, x))


def resize_volume(image: Image, *, shape: tuple[Size, Size, Size]) -> Image:
    """Make the volume (z, y, x) voxels large, whatever its spacing, linear between voxels, as float32."""
    return _onto(image, shape)


def pad_or_crop_volume(image: Image, *, shape: tuple[Size, Size, Size], fill: float = 0.0) -> Image:
    """Cut or extend each side equally to (z, y, x); where the difference is odd, the first side gives up one more."""
    start = [(have - want + 1) // 2 for have, want in zip(image.grid.shape, shape, strict=True)]
    grid = image.grid.cropped(start, shape)
    return image.moved(resample(image.voxels, image.grid, grid, fill=fill), grid)


def _onto(image: Image, shape: Shape) -> Image:
    needed, budget = FLOAT * math.prod((*shape, *image.voxels.shape[3:])), budget_bytes()
    if needed > budget:
        raise ReadError(
            f"Resampling {image.grid.shape} voxels to {shape}: found {needed / 1e9:.2f} GB, expected at most "
            f"{budget / 1e9:.2f} GB.",
            NOT_ENOUGH_MEMORY,
        )
    grid = image.grid.resized(shape)
    return image.moved(resample(image.voxels, image.grid, grid).astype(np.float32, copy=False), grid)

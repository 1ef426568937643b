"""Films spoilt in one way each, to see that a check says the same of them however they were decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.looks import mirrored, negative, turned
from edge.scan import Scan

MOST = 0.7
"""Of a picture that is spoilt."""


def burnt(scan: Scan) -> Scan:
    """Return a picture most of whose points are plain white, below the greatest value that it may have."""
    values = scan.voxels
    return replace(scan, voxels=np.minimum(values, _level(values, 1 - MOST)))


def drowned(scan: Scan) -> Scan:
    """Return a picture most of whose points are plain dark, above the least value that it may have."""
    values = scan.voxels
    return replace(scan, voxels=np.maximum(values, _level(values, MOST)))


def framed(scan: Scan) -> Scan:
    """Return a picture that lies within a wide plain border."""
    values = np.full_like(scan.voxels, scan.voxels.min())
    _, rows, columns = values.shape[:3]
    top, left = (round(side * (1 - np.sqrt(1 - MOST)) / 2) for side in (rows, columns))
    inside = (slice(None), slice(top, rows - top), slice(left, columns - left))
    values[inside] = scan.voxels[inside]
    return replace(scan, voxels=values)


def doubled(scan: Scan) -> Scan:
    """Return a picture that shows two films, with a plain gap between them."""
    values = np.roll(scan.voxels, scan.voxels.shape[2] // 2, axis=2)
    _, _, columns = values.shape[:3]
    gap = max(4, columns // 40)
    values[:, :, columns // 2 - gap : columns // 2 + gap] = values.min()
    return replace(scan, voxels=values)


SPOILS: tuple[Callable[[Scan], Scan], ...] = (
    negative, lambda scan: turned(scan, 1), mirrored, burnt, drowned, framed, doubled,
)  # fmt: skip
"""What is done to one picture after the other."""


def spoilt(scan: Scan, number: int) -> Scan:
    """Return a picture spoilt in the way that is its turn."""
    made = SPOILS[number % len(SPOILS)](scan)
    return replace(made, voxels=np.ascontiguousarray(made.voxels, dtype=scan.voxels.dtype))


def _level(values: NDArray[Any], share: float) -> Any:
    """The value that so many of the points have at most, kept off both ends of the scale."""
    return np.percentile(values, 100 * share).astype(values.dtype)

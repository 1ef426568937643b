"""Where a slide shows bare glass: windows without any tissue need not be shown to a model.

The rule looks at the slide in small (`edge.read.slide.OVERVIEW`), where each pixel is the mean of many. What is far
from white there, by darkness or by colour, is tissue: the distance is 255 less the lowest of red, green and blue, as
glass is bright and has no colour. Otsu's threshold (IEEE Transactions on Systems, Man, and Cybernetics 9, 1979) parts
the distances in two; where the nearer part is no glass, everything counts as tissue. The nearer part is parted again
for as long as it is two things itself, as a pen's ink or tissue that is very dark would else leave pale tissue with the
glass. The limit lies at a quarter of the way from the mean of the glass to that of what is nearest to it, so that pale
tissue stays, and a pixel around all tissue stays, too. A speck that is much smaller than a pixel of the slide in small
can be missed, which is why a pack must ask for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError
from edge.geometry import Grid, index_map
from edge.reasons import NO_TISSUE
from edge.scan import Scan
from edge.volume.tiles import Start, Tiles

GLASS = 40.0
"""Mean distance from white of what can be glass, at most: brighter than 84% in every colour."""

APART = 15.0
"""Mean distances of glass and tissue differ by this at least; else they are one thing with noise."""

FAINT = 2 * APART
"""Mean distance from white of tissue, at least: what is nearer is glass beside pure white, as of tiles not scanned."""

PALE = 0.25
"""Of the way from the mean of glass to that of tissue: from here on it is tissue."""

BLACK = 200.0
"""Distance from white of half of the pixels, from which on they are no bright field: what is bright glows."""

AROUND = 1
"""Pixels of the slide in small, beside tissue, that count as tissue."""

_LEVELS = 256


def tissue_of(picture: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return where a picture of a slide shows tissue, or None where no glass can be told from it.

    Parameters
    ----------
    picture : ndarray of uint8, shape (y, x) or (y, x, 3)

    Examples
    --------
    >>> picture = np.full((4, 6, 3), 240, np.uint8)
    >>> picture[1:3, 4] = 150, 90, 150
    >>> tissue_of(picture)[0].astype(int).tolist()
    [0, 0, 0, 1, 1, 1]
    >>> tissue_of(picture[1:3, 4:5]) is None
    True
    """
    import cv2  # noqa: PLC0415 - takes long to load, and most scans are no slides

    if picture.dtype != np.uint8:
        return None
    away = 255 - (picture.min(axis=-1) if picture.ndim == 3 else picture)
    limit = None if np.median(away) >= BLACK else _limit(away)
    if limit is None:
        return None
    found = (away >= limit).astype(np.uint8)
    side = 2 * AROUND + 1
    return np.asarray(cv2.dilate(found, np.ones((side, side), np.uint8)), dtype=np.bool_)


def _limit(away: NDArray[np.uint8]) -> float | None:
    """The distance from white from which on a pixel is tissue; None where there is no glass."""
    counts = np.bincount(away.ravel(), minlength=_LEVELS).astype(np.float64)
    limit = None
    while (parted := _parted(counts)) is not None:
        last, glass, tissue = parted
        limit = glass + PALE * (tissue - glass)
        counts[last + 1 :] = 0.0
    return limit


def _parted(counts: NDArray[np.float64]) -> tuple[int, float, float] | None:
    """The last distance of the glass, its mean and that of the rest; None where these are no glass and another thing.

    `counts` are those of each distance from white.
    """
    values = np.arange(_LEVELS)
    near, total = np.cumsum(counts), np.cumsum(counts * values)
    far = near[-1] - near
    with np.errstate(divide="ignore", invalid="ignore"):
        means = total / near, (total[-1] - total) / far
        between = np.where((near > 0) & (far > 0), near * far * (means[0] - means[1]) ** 2, -1.0)
    best = int(between.argmax())
    glass, tissue = float(means[0][best]), float(means[1][best])
    if between[best] < 0 or glass > GLASS or tissue < FAINT or tissue - glass < APART:
        return None
    return best, glass, tissue


def without_tissue(scan: Scan, grid: Grid, tiles: Tiles) -> frozenset[Start]:
    """Return the windows, by where they start, that touch no tissue.

    Parameters
    ----------
    scan : Scan
        Of a slide, or of a picture that was decoded whole.
    grid : Grid
        Of the picture as it is prepared, of which `tiles` are: their axes are (row, 1, column).

    Raises
    ------
    ReadError
        ``R341``: there is glass, and nothing else anywhere.
    """
    inverted = scan.acquisition.photometric == "MONOCHROME1"  # bright is dark there
    tissue = None if inverted else tissue_of(scan.voxels[0])
    if tissue is None:
        return frozenset()
    summed = np.zeros((tissue.shape[0] + 1, tissue.shape[1] + 1), dtype=np.int64)
    summed[1:, 1:] = tissue.cumsum(axis=0).cumsum(axis=1)
    bare: set[Start] = set()
    matrix = index_map(scan.grid, grid)
    rows, columns = (_bounds(matrix, axis, tiles, size) for axis, size in ((0, tissue.shape[0]), (2, tissue.shape[1])))
    for start in _starts(tiles):
        (top, bottom), (left, right) = rows[start[0]], columns[start[2]]
        if summed[bottom, right] - summed[top, right] - summed[bottom, left] + summed[top, left] == 0:
            bare.add(start)
    if len(bare) * len(tiles.mirrors) == tiles.runs:
        raise ReadError("Looking for tissue on the slide: found none.", NO_TISSUE)
    return frozenset(bare)


def _starts(tiles: Tiles) -> list[Start]:
    y, z, x = tiles.starts_along
    return [(row, middle, column) for row in y for middle in z for column in x]


def _bounds(matrix: NDArray[np.float64], axis: int, tiles: Tiles, size: int) -> dict[int, tuple[int, int]]:
    """By where a window starts along an axis of `tiles`: the first pixel in small that it touches, and that after."""
    own = 1 if axis == 0 else 2  # of the picture's (z, y, x)
    scale, shift = float(matrix[own, own]), float(matrix[own, 3])
    found = {}
    for start in tiles.starts_along[axis]:
        first, last = max(start, 0) - 0.5, min(start + tiles.patch[axis], tiles.shape[axis]) - 0.5
        low, high = np.floor(first * scale + shift + 0.5), np.ceil(last * scale + shift + 0.5)
        found[start] = int(np.clip(low, 0, size - 1)), int(np.clip(high, 1, size))
    return found

"""The picture as checks of its ends want it: a wavelet's overshoot must not hide that many points are plain.

Beside an edge the filters of JPEG 2000 go beyond the values that the edge lies between, by up to an eighth of it. In a
picture that was decoded smaller (`edge.read.halved`) that is left standing, so that what was plain white below the
greatest value which the bits can express would no longer be the whitest there is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.scan import Scan

PLATEAU = 0.05
"""Of all points: no value of a picture that is not plain has so many."""

BEYOND = 0.1
"""Of a plateau's points: fewer lie beyond it where that is overshoot, which stands beside edges alone."""


def without_overshoot(scan: Scan) -> NDArray[Any]:
    """Return a scan's first picture, (y, x) or (y, x, channel): as it is, unless it was decoded smaller.

    Then what lies beyond a plateau at either end is cut off.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from edge.testing import phantom_scan
    >>> scan = phantom_scan((1, 1, 61), values=[0, 3, 3, 5] * 10 + [9] * 20 + [10])
    >>> small = replace(scan, stored=scan.grid)
    >>> float(without_overshoot(small).max()), float(without_overshoot(scan).max())
    (9.0, 10.0)
    """
    picture: NDArray[Any] = scan.voxels[0]
    if scan.stored is None or picture.ndim != 2:
        return picture
    values, counts = np.unique(picture, return_counts=True)
    below = np.cumsum(counts) - counts
    above = picture.size - below - counts
    low = _end(values, counts, below, picture.size)
    high = _end(values[::-1], counts[::-1], above[::-1], picture.size)
    return picture if low >= high else np.asarray(np.clip(picture, low, high))


def _end(values: NDArray[Any], counts: NDArray[Any], beyond: NDArray[Any], size: int) -> Any:
    """The plateau nearest to the end that the values begin with; the end itself where there is none."""
    plain = np.flatnonzero((counts >= PLATEAU * size) & (beyond < BEYOND * counts))
    return values[plain[0]] if plain.size else values[0]

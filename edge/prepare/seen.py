"""How much of a scan lies within what the model is fed."""

from __future__ import annotations

import numpy as np

from edge.geometry import Grid, index_map

MOST = 64
"""Places along an axis at which is looked: all of a short axis, evenly spread ones of a long one."""

EDGE = 1e-3
"""Voxels by which a place may lie outside: written decimals differ by less."""


def seen_share(seen: Grid, whole: Grid) -> float:
    """Return the share of `whole`, 0 to 1, that lies within the extent of `seen`, edge to edge.

    Parameters
    ----------
    seen, whole : Grid
        In the same space. The step across a single slice counts as its thickness.

    Examples
    --------
    >>> whole = Grid.of_picture(10, 20)
    >>> seen_share(whole.cropped((0, 0, 5), (1, 10, 10)), whole), seen_share(whole.resized((1, 3, 3)), whole)
    (0.5, 1.0)
    """
    if seen == whole:
        return 1.0
    places = [(np.arange(count) + 0.5) * size / count - 0.5 for size in whole.shape for count in (min(size, MOST),)]
    z, y, x = np.meshgrid(*places, indexing="ij")
    at = index_map(seen, whole) @ np.stack([z.ravel(), y.ravel(), x.ravel(), np.ones(z.size)])
    ends = np.array(seen.shape)[:, np.newaxis] - 0.5 + EDGE
    return float(np.all((at[:3] >= -0.5 - EDGE) & (at[:3] <= ends), axis=0).mean())

"""A picture that was decoded smaller than the file has it -> one that covers the same extent, for the steps.

The pixels that are decoded lie where every 2^n-th of the file does (`edge.read.halved`), so what they cover begins and
ends up to 2^n - 1 halves of the file's pixels earlier. A model would see the picture moved by that. Here it is moved
back, by less than half of a pixel of those decoded, and nothing else is done to it.
"""

from __future__ import annotations

import numpy as np

from edge.geometry import index_map
from edge.prepare.image import Image
from edge.scan import Scan


def as_stored(scan: Scan) -> Image:
    """Return the image of a scan as the steps want it: float32 on a grid from edge to edge of what the file has.

    A scan that was decoded whole is left as it is. Lanczos' kernel keeps all that a step which shrinks it will keep.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from edge.read.halved import halved_grid
    >>> from edge.testing import phantom_scan
    >>> whole = phantom_scan((1, 64, 64), values=np.tile(np.arange(64.0), 64).tolist())
    >>> small = replace(whole, voxels=whole.voxels[:, ::2, ::2], grid=halved_grid(whole.grid, 1), stored=whole.grid)
    >>> image = as_stored(small)
    >>> image.grid == whole.grid.resized((1, 32, 32)), image.voxels[0, 16, 14:18].round(1).tolist()
    (True, [28.5, 30.5, 32.5, 34.5])
    """
    if scan.stored is None:
        return Image.of(scan)
    import cv2  # noqa: PLC0415 - most scans are decoded whole

    grid = scan.stored.resized(scan.grid.shape)
    change = index_map(scan.grid, grid)
    along = np.array([[change[2, 2], 0.0, change[2, 3]], [0.0, change[1, 1], change[1, 3]]])
    how = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    _, rows, columns = grid.shape
    picture = np.ascontiguousarray(scan.voxels[0], dtype=np.float32)
    moved = cv2.warpAffine(picture, along, (columns, rows), flags=how, borderMode=cv2.BORDER_REPLICATE)
    low, high = float(picture.min()), float(picture.max())
    return Image.of(scan).moved(np.asarray(moved, dtype=np.float32).clip(low, high)[np.newaxis], grid)
